{{/* Names and labels: as in 1.x, so that an upgrade finds its own Deployments, Services and claim. */}}
{{- define "cauldron-frappe.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "cauldron-frappe.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* A part of the release: (dict "root" $ "part" "web"). */}}
{{- define "cauldron-frappe.part" -}}
{{- printf "%s-%s" (include "cauldron-frappe.fullname" .root) .part | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "cauldron-frappe.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cauldron-frappe.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cauldron-frappe.labels" -}}
{{- $own := include "cauldron-frappe.selectorLabels" . | fromYaml }}
{{- $chart := dict
      "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
      "app.kubernetes.io/version" .Chart.AppVersion
      "app.kubernetes.io/managed-by" .Release.Service }}
{{- merge $own $chart (.Values.global.labels | default dict) | toYaml }}
{{- end }}

{{- define "cauldron-frappe.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "cauldron-frappe.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* frappe/bench, the default of 1.x, has no bench in it: the chart's own image stands in, and NOTES.txt says so. */}}
{{- define "cauldron-frappe.image" -}}
{{- $image := .Values.frappe.image }}
{{- $none := eq $image.repository "frappe/bench" }}
{{- $repository := ternary "cauldron-frappe/erpnext" $image.repository $none }}
{{- if and $image.digest (not $none) }}
{{- printf "%s@%s" $repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (ternary .Chart.AppVersion (default .Chart.AppVersion $image.tag) $none) }}
{{- end }}
{{- end }}

{{- define "cauldron-frappe.pvc.name" -}}
{{- default (include "cauldron-frappe.part" (dict "root" . "part" "data")) .Values.frappe.persistence.existingClaim }}
{{- end }}

{{/* A Secret made of the plain password of 1.x, or the one that is referred to. */}}
{{- define "cauldron-frappe.adminSecret" -}}
{{- if .Values.frappe.site.adminPassword }}
{{- include "cauldron-frappe.part" (dict "root" . "part" "secret") }}
{{- else }}
{{- .Values.frappe.site.adminPasswordSecret }}
{{- end }}
{{- end }}

{{- define "cauldron-frappe.adminKey" -}}
{{- ternary "admin-password" .Values.frappe.site.adminPasswordKey (not (empty .Values.frappe.site.adminPassword)) }}
{{- end }}

{{/* The first host that browsers use. */}}
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

{{/* The most pods that one role may have. */}}
{{- define "cauldron-frappe.mostPods" -}}
{{- $f := .Values.frappe }}
{{- $counts := list (int $f.replicas.web) (int $f.replicas.worker) }}
{{- if $f.scheduler.enabled }}{{ $counts = append $counts (int $f.replicas.scheduler) }}{{ end }}
{{- if $f.socketio.enabled }}{{ $counts = append $counts (int $f.replicas.socketio) }}{{ end }}
{{- if $f.autoscaling.web.enabled }}{{ $counts = append $counts (int $f.autoscaling.web.maxReplicas) }}{{ end }}
{{- if $f.autoscaling.worker.enabled }}{{ $counts = append $counts (int $f.autoscaling.worker.maxReplicas) }}{{ end }}
{{- $most := 0 }}{{ range $counts }}{{ $most = max $most . }}{{ end }}{{ $most }}
{{- end }}

{{- define "cauldron-frappe.accessMode" -}}
{{- default (ternary "ReadWriteMany" "ReadWriteOnce" (gt (int (include "cauldron-frappe.mostPods" .)) 1)) .Values.frappe.persistence.accessMode }}
{{- end }}

{{/* What could not work is refused here, with what to set. */}}
{{- define "cauldron-frappe.check" -}}
{{- $f := .Values.frappe }}
{{- $most := int (include "cauldron-frappe.mostPods" .) }}
{{- if $f.persistence.enabled }}
{{- if and (gt $most 1) (ne (include "cauldron-frappe.accessMode" .) "ReadWriteMany") (not $f.persistence.existingClaim) }}
{{- fail (printf "a role has up to %d pods, and frappe.persistence.accessMode is %s: they share one volume. Set it to ReadWriteMany (a storage class that can), or one replica for each role" $most $f.persistence.accessMode) }}
{{- end }}
{{- else }}
{{- $pods := add (int $f.replicas.web) (int $f.replicas.worker) }}
{{- if $f.scheduler.enabled }}{{ $pods = add $pods (int $f.replicas.scheduler) }}{{ end }}
{{- if $f.socketio.enabled }}{{ $pods = add $pods (int $f.replicas.socketio) }}{{ end }}
{{- if eq $f.bootstrap.mode "job" }}{{ $pods = add $pods 1 }}{{ end }}
{{- if or (gt $pods 1) $f.autoscaling.web.enabled $f.autoscaling.worker.enabled }}
{{- fail (printf "frappe.persistence.enabled is false, and %d pods need the same sites/: set it to true. Without a volume there may be one pod: frappe.replicas.web=1, frappe.replicas.worker=0, frappe.scheduler.enabled=false, frappe.socketio.enabled=false, frappe.bootstrap.mode=inline" $pods) }}
{{- end }}
{{- end }}
{{- end }}

{{/* frappe.worker.queues as pools: a long job must not hold up a short one. */}}
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

{{/* The apps of frappe.apps and frappe.customApps as CAULDRON_APPS has them. */}}
{{- define "cauldron-frappe.apps" -}}
{{- $apps := list }}
{{- range concat (.Values.frappe.apps | default list) (.Values.frappe.customApps | default list) }}
{{- $app := omit . "repo" }}
{{- if .repo }}{{ $_ := set $app "url" .repo }}{{ end }}
{{- $apps = append $apps $app }}
{{- end }}
{{- if $apps }}{{ toJson $apps }}{{ end }}
{{- end }}

{{/* The RQ queues that all pools together work on. */}}
{{- define "cauldron-frappe.queues" -}}
{{- $queues := list }}
{{- range splitList " " (include "cauldron-frappe.pools" .) }}
{{- $queues = concat $queues (splitList "," (first (splitList "=" .))) }}
{{- end }}
{{- uniq $queues | join "," }}
{{- end }}
