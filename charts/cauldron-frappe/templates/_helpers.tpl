{{/* The image. Its name always comes from the values, because no image is published. */}}
{{- define "cauldron-frappe.image" -}}
{{- $image := .Values.frappe.image }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- $tag := include "cauldron-frappe.string" (dict "value" $image.tag "of" "frappe.image.tag") }}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $tag) }}
{{- end }}
{{- end }}

{{/* The name of the Secret that the chart creates from frappe.site.adminPassword, as 0.1.0 did. */}}
{{- define "cauldron-frappe.ownSecret" -}}
{{- printf "%s-secret" (include "cauldron-frappe.fullname" .) }}
{{- end }}

{{/* The Secret with Administrator's password: the chart's own, or the one that the values name. */}}
{{- define "cauldron-frappe.adminSecret" -}}
{{- if .Values.frappe.site.adminPassword }}
{{- include "cauldron-frappe.ownSecret" . }}
{{- else }}
{{- .Values.frappe.site.adminPasswordSecret }}
{{- end }}
{{- end }}

{{- define "cauldron-frappe.adminKey" -}}
{{- ternary "admin-password" .Values.frappe.site.adminPasswordKey (not (empty .Values.frappe.site.adminPassword)) }}
{{- end }}

{{/* The host for browsers: the first one of the Ingress, else the site's name. */}}
{{- define "cauldron-frappe.host" -}}
{{- $hosts := .Values.frappe.ingress.hosts }}
{{- if $hosts }}{{ (first $hosts).host }}{{ else }}{{ .Values.frappe.site.name }}{{ end }}
{{- end }}

{{- define "cauldron-frappe.url" -}}
{{- if .Values.frappe.site.url }}
{{- .Values.frappe.site.url }}
{{- else if .Values.frappe.ingress.enabled }}
{{- $host := include "cauldron-frappe.host" . }}
{{- $tls := dict "found" false }}
{{- range .Values.frappe.ingress.tls }}{{ if has $host (.hosts | default list) }}{{ $_ := set $tls "found" true }}{{ end }}{{ end }}
{{- printf "%s://%s" (ternary "https" "http" $tls.found) $host }}
{{- end }}
{{- end }}

{{/* The bench id that the values give, if any. */}}
{{- define "cauldron-frappe.benchId" -}}
{{- include "cauldron-frappe.string" (dict "value" .Values.frappe.bench.id "of" "frappe.bench.id") }}
{{- end }}

{{/* The bench id of a new installation. A namespace contains no dot, so no two releases have the same id. At most 100 characters. */}}
{{- define "cauldron-frappe.newBenchId" -}}
{{- $id := printf "%s.%s" .Release.Namespace (include "cauldron-frappe.fullname" .) }}
{{- if le (len $id) 100 }}{{ $id }}{{ else }}{{ printf "%s-%s" (trunc 91 $id) ($id | sha256sum | trunc 8) }}{{ end }}
{{- end }}

{{/* The maximum number of pods of one role. */}}
{{- define "cauldron-frappe.mostPods" -}}
{{- $f := .Values.frappe }}
{{- $counts := list (int $f.replicas.web) (int $f.replicas.worker) }}
{{- if $f.scheduler.enabled }}{{ $counts = append $counts (int $f.replicas.scheduler) }}{{ end }}
{{- if $f.socketio.enabled }}{{ $counts = append $counts (int $f.replicas.socketio) }}{{ end }}
{{- if $f.autoscaling.web.enabled }}{{ $counts = append $counts (int $f.autoscaling.web.maxReplicas) }}{{ end }}
{{- if $f.autoscaling.worker.enabled }}{{ $counts = append $counts (int $f.autoscaling.worker.maxReplicas) }}{{ end }}
{{- $most := 0 }}{{ range $counts }}{{ $most = max $most . }}{{ end }}{{ $most }}
{{- end }}

{{/* frappe.worker.queues as pools: a long job must not delay a short one. */}}
{{- define "cauldron-frappe.pools" -}}
{{- if .Values.frappe.worker.pools }}
{{- .Values.frappe.worker.pools }}
{{- else }}
{{- $quick := list }}{{ $pools := list }}
{{- range .Values.frappe.worker.queues }}{{ if ne . "long" }}{{ $quick = append $quick . }}{{ end }}{{ end }}
{{- if $quick }}{{ $pools = append $pools (printf "%s=1" (join "," $quick)) }}{{ end }}
{{- if has "long" .Values.frappe.worker.queues }}{{ $pools = append $pools "long=1" }}{{ end }}
{{- join " " $pools }}
{{- end }}
{{- end }}

{{/* The apps of frappe.apps and frappe.customApps in the format of CAULDRON_APPS. */}}
{{- define "cauldron-frappe.apps" -}}
{{- $apps := list }}
{{- range concat (.Values.frappe.apps | default list) (.Values.frappe.customApps | default list) }}
{{- $app := omit . "repo" }}
{{- range $key := list "branch" "tag" }}
{{- if hasKey $app $key }}{{ $_ := set $app $key (include "cauldron-frappe.string" (dict "value" (get $app $key) "of" (printf "%s of an app" $key))) }}{{ end }}
{{- end }}
{{- if .repo }}{{ $_ := set $app "url" .repo }}{{ end }}
{{- $apps = append $apps $app }}
{{- end }}
{{- if $apps }}{{ toJson $apps }}{{ end }}
{{- end }}

{{/* The RQ queues of all pools. */}}
{{- define "cauldron-frappe.queues" -}}
{{- $queues := list }}
{{- range splitList " " (include "cauldron-frappe.pools" .) }}
{{- $queues = concat $queues (splitList "," (first (splitList "=" .))) }}
{{- end }}
{{- uniq $queues | join "," }}
{{- end }}
