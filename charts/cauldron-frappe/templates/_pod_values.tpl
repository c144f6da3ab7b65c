{{/*
The values of a role's pod, as JSON: (dict "root" $ "role" "worker" "pool" "reports"). A name of this list in `frappe` is for all roles, in
frappe.<role> for one role, and in frappe.worker.deployments.<pool> for one Deployment. Lists are added, maps are merged (the narrower key
wins), and of anything else the narrowest value that is not empty counts.
*/}}
{{- define "cauldron-frappe.podValues" -}}
{{- $f := .root.Values.frappe }}
{{- $levels := list $f (get $f .role | default dict) }}
{{- if .pool }}{{ $levels = append $levels (get $f.worker.deployments .pool) }}{{ end }}
{{- $added := list "extraEnv" "extraEnvFrom" "extraVolumes" "extraVolumeMounts" "extraInitContainers" "extraContainers" "tolerations" "hostAliases" }}
{{- $merged := list "nodeSelector" "affinity" "podLabels" "podAnnotations" "labels" "annotations" "lifecycle" "dnsConfig" }}
{{- $replaced := list "topologySpreadConstraints" "dnsPolicy" "runtimeClassName" "priorityClassName" }}
{{- $values := dict }}
{{- range $at, $level := $levels }}
{{- range $name := concat $added $merged $replaced }}
{{- $before := get $values $name }}{{ $here := get $level $name }}
{{- /* A sidecar that never ends would keep the Job running: the Job only has its own. */}}
{{- if and (eq $name "extraContainers") (has $.role (list "bootstrap" "backup")) (eq $at 0) }}{{ $here = list }}{{ end }}
{{- if not $here }}
{{- else if has $name $added }}{{ $_ := set $values $name (concat ($before | default list) $here) }}
{{- else if has $name $merged }}{{ $_ := set $values $name (mergeOverwrite (deepCopy ($before | default dict)) $here) }}
{{- else }}{{ $_ := set $values $name $here }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $values }}
{{- end }}

{{/* The part of the names, and the component in the labels: (dict "role" "worker" "pool" "reports") is worker-reports; a task has its own name. */}}
{{- define "cauldron-frappe.component" -}}
{{- if .pool }}{{ printf "%s-%s" .role .pool }}{{ else }}{{ .task | default .role }}{{ end }}
{{- end }}
