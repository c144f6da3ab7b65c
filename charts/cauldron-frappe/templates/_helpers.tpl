{{/* The image. Its name always comes from the values, because no image is published. */}}
{{- define "cauldron-frappe.image" -}}
{{- $image := .Values.frappe.image }}
{{- $repository := $image.repository }}
{{- with .Values.global.imageRegistry }}
{{- /* The first part of a name is a registry if it has a dot or a port, or is localhost. */}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^(localhost|[^/]*[.:][^/]*)/" $repository "") }}
{{- end }}
{{- if $image.digest }}
{{- printf "%s@%s" $repository $image.digest }}
{{- else }}
{{- $tag := include "cauldron-frappe.string" (dict "value" $image.tag "of" "frappe.image.tag") }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion $tag) }}
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

{{/* The hosts of the Ingress, as JSON. */}}
{{- define "cauldron-frappe.ingressHosts" -}}
{{- $hosts := list }}
{{- range .Values.frappe.ingress.hosts | default (list (dict "host" .Values.frappe.site.name)) }}{{ $hosts = append $hosts .host }}{{ end }}
{{- toJson $hosts }}
{{- end }}

{{/* The hosts of the HTTPRoute, as JSON. */}}
{{- define "cauldron-frappe.routeHosts" -}}
{{- with .Values.frappe.httpRoute.hostnames }}{{ toJson . }}{{ else }}{{ include "cauldron-frappe.ingressHosts" . }}{{ end }}
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

{{/* The maximum number of pods of each Deployment, as a JSON list. */}}
{{- define "cauldron-frappe.podCounts" -}}
{{- $f := .Values.frappe }}{{ $root := . }}
{{- $web := $f.autoscaling.web }}
{{- $counts := list (int (ternary $web.maxReplicas $f.replicas.web $web.enabled)) }}
{{- range $pool := prepend (include "cauldron-frappe.poolNames" $root | fromJsonArray) "" }}
{{- $worker := include "cauldron-frappe.worker" (dict "root" $root "pool" $pool) | fromJson }}
{{- $counts = append $counts (int (ternary $worker.autoscaling.maxReplicas $worker.replicas $worker.autoscaling.enabled)) }}
{{- end }}
{{- if $f.scheduler.enabled }}{{ $counts = append $counts (int $f.replicas.scheduler) }}{{ end }}
{{- if $f.socketio.enabled }}{{ $counts = append $counts (int $f.replicas.socketio) }}{{ end }}
{{- toJson $counts }}
{{- end }}

{{/* The maximum number of pods of one role. */}}
{{- define "cauldron-frappe.mostPods" -}}
{{- $most := 0 }}{{ range include "cauldron-frappe.podCounts" . | fromJsonArray }}{{ $most = max $most (int .) }}{{ end }}{{ $most }}
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
