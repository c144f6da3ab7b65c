{{/*
The claim of sites/. The chart reads live claims from the cluster (`lookup`), because a claim's fields can never be changed and Helm
deletes an object that is no longer rendered. `helm template` and Argo CD do not read the cluster: there only the values count.
*/}}

{{/* The release's own claim, named as in 0.1.0. */}}
{{- define "cauldron-frappe.pvc.own" -}}
{{- printf "%s-data" (include "cauldron-frappe.fullname" .) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The claim that the pods mount. */}}
{{- define "cauldron-frappe.pvc.name" -}}
{{- default (include "cauldron-frappe.pvc.own" .) .Values.frappe.persistence.existingClaim }}
{{- end }}

{{/* Prints `yes` if Helm owns an object as part of this release, else nothing: (dict "root" $ "object" …). */}}
{{- define "cauldron-frappe.owned" -}}
{{- $metadata := get .object "metadata" | default dict }}
{{- $annotations := get $metadata "annotations" | default dict }}
{{- $name := get $annotations "meta.helm.sh/release-name" }}{{ $namespace := get $annotations "meta.helm.sh/release-namespace" }}
{{- if and (eq (toString $name) .root.Release.Name) (eq (toString $namespace) .root.Release.Namespace) }}yes{{ end }}
{{- end }}

{{/*
The claims of this release in the cluster, as JSON by name: the one that it uses, and an older one under another name. Claims of other
charts in the same release (a parent chart's) have another chart in their label.
*/}}
{{- define "cauldron-frappe.pvc.live" -}}
{{- $root := . }}{{- $claims := dict }}
{{- range (lookup "v1" "PersistentVolumeClaim" .Release.Namespace "").items }}
{{- $chart := get (get .metadata "labels" | default dict) "helm.sh/chart" | toString }}
{{- if and (include "cauldron-frappe.owned" (dict "root" $root "object" .)) (regexMatch (printf "^%s-[0-9]" $root.Chart.Name) $chart) }}
{{- $_ := set $claims .metadata.name . }}
{{- end }}
{{- end }}
{{- toJson $claims }}
{{- end }}

{{/*
Prints `yes` if the manifest of a live claim named its class, and nothing if the cluster chose the class. Helm removes a field that the
next manifest omits, so either every release or none must name it. The field's managers show this; kube-controller-manager is not a
manifest.
*/}}
{{- define "cauldron-frappe.pvc.classed" -}}
{{- range .metadata.managedFields }}
{{- if and (ne .manager "kube-controller-manager") (hasKey (dig "f:spec" dict (.fieldsV1 | default dict)) "f:storageClassName") }}yes{{ end }}
{{- end }}
{{- end }}

{{/*
The access mode: that of the live claim, else that of the values. Without either it is ReadWriteOnce, as in 0.1.0; a user's own claim
must serve all pods.
*/}}
{{- define "cauldron-frappe.accessMode" -}}
{{- $p := .Values.frappe.persistence }}
{{- $name := include "cauldron-frappe.pvc.name" . }}
{{- $modes := (get (lookup "v1" "PersistentVolumeClaim" .Release.Namespace $name) "spec" | default dict).accessModes | default list }}
{{- $foreign := ne $name (include "cauldron-frappe.pvc.own" .) }}
{{- if has "ReadWriteMany" $modes }}ReadWriteMany
{{- else if $modes }}{{ first $modes }}
{{- else if $p.accessMode }}{{ $p.accessMode }}
{{- else if and $foreign (gt (int (include "cauldron-frappe.mostPods" .)) 1) }}ReadWriteMany
{{- else }}ReadWriteOnce
{{- end }}
{{- end }}

{{/* A quantity (10Gi, 500M, 1.5Ti, 1e9) in bytes, to compare two of them. */}}
{{- define "cauldron-frappe.bytes" -}}
{{- $units := dict "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0
      "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "" 1.0 }}
{{- $unit := regexFind "([KMGTPE]i|[mkMGTPE])$" . }}
{{- printf "%.0f" (mulf (trimSuffix $unit . | float64) (get $units $unit)) }}
{{- end }}

{{/* The requested size: a claim may grow, and keeps its size if less is requested. (list LIVE REQUESTED). */}}
{{- define "cauldron-frappe.pvc.size" -}}
{{- $live := first . }}{{ $requested := last . }}
{{- if gt (include "cauldron-frappe.bytes" $requested | float64) (include "cauldron-frappe.bytes" $live | float64) }}{{ $requested }}{{ else }}{{ $live }}{{ end }}
{{- end }}
