{{/* The names in frappe.worker.deployments, as a JSON list. A later values file removes a Deployment, or a value of one, with null. */}}
{{- define "cauldron-frappe.poolNames" -}}
{{- $names := list }}
{{- range $name, $own := .Values.frappe.worker.deployments }}{{ if $own }}{{ $names = append $names $name }}{{ end }}{{ end }}
{{- toJson $names }}
{{- end }}

{{/*
What a Deployment of workers runs, as JSON: (dict "root" $ "pool" "reports"). frappe.worker, and for one of frappe.worker.deployments its own
values over it. It has queues of its own: those of frappe.worker belong to the Deployment `-worker`.
*/}}
{{- define "cauldron-frappe.worker" -}}
{{- $f := .root.Values.frappe }}
{{- $own := $f.worker }}{{ if .pool }}{{ $own = get $f.worker.deployments .pool }}{{ end }}
{{- $worker := dict "replicas" $f.replicas.worker "resources" $f.resources.worker "maxMemory" $f.worker.maxMemory }}
{{- $worker = merge $worker (pick $f.worker "terminationGracePeriodSeconds") (dict "autoscaling" (deepCopy $f.autoscaling.worker)) }}
{{- if .pool }}
{{- $_ := set $worker.autoscaling "enabled" false }}
{{- range $name, $value := omit $own "autoscaling" }}{{ if not (kindIs "invalid" $value) }}{{ $_ := set $worker $name $value }}{{ end }}{{ end }}
{{- range $name, $value := $own.autoscaling }}{{ if not (kindIs "invalid" $value) }}{{ $_ := set $worker.autoscaling $name $value }}{{ end }}{{ end }}
{{- end }}
{{- $_ := set $worker "pools" (include "cauldron-frappe.pools" $own) }}
{{- toJson $worker }}
{{- end }}

{{/* Queues as pools, for .queues or .pools: a long job must not delay a short one. */}}
{{- define "cauldron-frappe.pools" -}}
{{- if .pools }}
{{- .pools }}
{{- else }}
{{- $quick := list }}{{ $pools := list }}
{{- range .queues }}{{ if ne . "long" }}{{ $quick = append $quick . }}{{ end }}{{ end }}
{{- if $quick }}{{ $pools = append $pools (printf "%s=1" (join "," $quick)) }}{{ end }}
{{- if has "long" .queues }}{{ $pools = append $pools "long=1" }}{{ end }}
{{- join " " $pools }}
{{- end }}
{{- end }}

{{/* The RQ queues of a text of pools. */}}
{{- define "cauldron-frappe.queues" -}}
{{- $queues := list }}
{{- range splitList " " . }}
{{- $queues = concat $queues (splitList "," (first (splitList "=" .))) }}
{{- end }}
{{- uniq $queues | join "," }}
{{- end }}
