{{/*
A container's variables: (dict "extra" LIST "entries" YAML). Each name of extraEnv appears once, as in the values; the last of two counts.
It replaces the chart's own entry of that name, and those that the binary does not accept beside it (NAME for NAME_FILE, and other names of the
same setting).
*/}}
{{- define "cauldron-frappe.variables" -}}
{{- $same := dict
      "REDIS_CACHE" (list "REDIS_CACHE_HOST") "REDIS_CACHE_HOST" (list "REDIS_CACHE")
      "REDIS_QUEUE" (list "REDIS_QUEUE_HOST") "REDIS_QUEUE_HOST" (list "REDIS_QUEUE")
      "REDIS_SOCKETIO" (list "REDIS_SOCKETIO_HOST") "REDIS_SOCKETIO_HOST" (list "REDIS_SOCKETIO")
      "DB_ROOT_PASSWORD" (list "DB_PASSWORD") "PGPASSWORD" (list "DB_PASSWORD")
      "UPSTREAM_REAL_IP_ADDRESS" (list "CAULDRON_TRUSTED_PROXIES") "FORWARDED_ALLOW_IPS" (list "CAULDRON_TRUSTED_PROXIES")
      "WORKER_QUEUES" (list "CAULDRON_POOL") }}
{{- $given := list }}{{- $replaced := list }}{{- $names := list }}
{{- range reverse (.extra | default list) }}
{{- if not (has .name $names) }}
{{- $names = append $names .name }}
{{- $plain := trimSuffix "_FILE" .name }}
{{- $replaced = concat $replaced (list .name $plain (printf "%s_FILE" $plain)) (get $same $plain | default list) }}
{{- $entry := . }}
{{- if hasKey . "value" }}
{{- $text := include "cauldron-frappe.string" (dict "value" .value "of" (printf "extraEnv's %s" .name)) }}
{{- $entry = dict "name" .name "value" $text }}
{{- end }}
{{- $given = prepend $given $entry }}
{{- end }}
{{- end }}
{{- $all := list }}
{{- range .entries | fromYamlArray }}
{{- if not (has .name $replaced) }}{{ $all = append $all . }}{{ end }}
{{- end }}
{{- concat $all $given | toYaml }}
{{- end }}
