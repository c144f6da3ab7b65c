{{/*
The claim of sites/. What is live is asked of the cluster (`lookup`), for a claim's fields can never be changed and Helm deletes an
object that is no longer rendered. `helm template` and Argo CD see no cluster: there the values alone decide.
*/}}

{{/* The release's own claim, named as in 0.1.0. */}}
{{- define "cauldron-frappe.pvc.own" -}}
{{- printf "%s-data" (include "cauldron-frappe.fullname" .) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The claim that the pods mount. */}}
{{- define "cauldron-frappe.pvc.name" -}}
{{- default (include "cauldron-frappe.pvc.own" .) .Values.frappe.persistence.existingClaim }}
{{- end }}

{{/* Whether Helm holds an object as one of this release: (dict "root" $ "object" …). Prints `yes` or nothing. */}}
{{- define "cauldron-frappe.owned" -}}
{{- $metadata := get .object "metadata" | default dict }}
{{- $annotations := get $metadata "annotations" | default dict }}
{{- $name := get $annotations "meta.helm.sh/release-name" }}{{ $namespace := get $annotations "meta.helm.sh/release-namespace" }}
{{- if and (eq (toString $name) .root.Release.Name) (eq (toString $namespace) .root.Release.Namespace) }}yes{{ end }}
{{- end }}

{{/*
The claims that this release has in the cluster, as JSON by name: the one that it uses, and an older one under another name. Those
of other charts beside this one (a parent chart's) have another chart in their label.
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
Whether the manifest of a live claim named its class, or the cluster chose it. Helm takes away what the next manifest leaves out, so it
has to be said by every release or by none. The owners of the fields tell; the controllers' own entry is not a manifest.
*/}}
{{- define "cauldron-frappe.pvc.classed" -}}
{{- range .metadata.managedFields }}
{{- if and (ne .manager "kube-controller-manager") (hasKey (dig "f:spec" dict (.fieldsV1 | default dict)) "f:storageClassName") }}yes{{ end }}
{{- end }}
{{- end }}

{{/*
How many nodes may mount it: as the live claim says, else as asked. Without either it is ReadWriteOnce, as in 0.1.0; a claim of the
user's own has to serve all pods.
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

{{/* The size to ask for: a claim grows, and is left at its size where less is asked. (list LIVE ASKED). */}}
{{- define "cauldron-frappe.pvc.size" -}}
{{- $live := first . }}{{ $asked := last . }}
{{- if gt (include "cauldron-frappe.bytes" $asked | float64) (include "cauldron-frappe.bytes" $live | float64) }}{{ $asked }}{{ else }}{{ $live }}{{ end }}
{{- end }}
