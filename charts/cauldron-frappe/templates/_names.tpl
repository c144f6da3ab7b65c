{{/* Names and labels: as in 0.1.0, so that an upgrade finds its own Deployments, Services, Ingress and claim. */}}
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

{{/*
The name of a part of the release: (dict "root" $ "part" "web"). Truncated to 63 characters, as in 0.1.0. If that leaves less than two
letters of the part, web and worker would have the same name: then the release's name is truncated instead, and its digest distinguishes
releases. The same holds for a part that 0.1.0 did not have, if the name is longer than 63 characters.
*/}}
{{- define "cauldron-frappe.part" -}}
{{- $full := include "cauldron-frappe.fullname" .root }}
{{- $of_old := and (le (len $full) 60) (not (hasPrefix "worker-" .part)) }}
{{- if or $of_old (le (len (printf "%s-%s" $full .part)) 63) }}
{{- printf "%s-%s" $full .part | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $room := int (sub 53 (len .part)) }}
{{- printf "%s-%s-%s" ($full | trunc $room | trimSuffix "-") ($full | sha256sum | trunc 8) .part }}
{{- end }}
{{- end }}

{{/* The name of the bootstrap Job, without its digest. */}}
{{- define "cauldron-frappe.jobName" -}}
{{- include "cauldron-frappe.fullname" . | trunc 44 | trimSuffix "-" }}-bootstrap
{{- end }}

{{- define "cauldron-frappe.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cauldron-frappe.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "cauldron-frappe.labels" -}}
{{- include "cauldron-frappe.labelsWith" (dict "root" . "labels" dict "of" "global.labels") }}
{{- end }}

{{/* The labels with an object's own: (dict "root" $ "labels" … "of" "frappe.…labels"). Each key has one value; the chart's wins. */}}
{{- define "cauldron-frappe.labelsWith" -}}
{{- $root := .root }}
{{- $own := include "cauldron-frappe.selectorLabels" $root | fromYaml }}
{{- $chart := dict
      "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
      "app.kubernetes.io/version" $root.Chart.AppVersion
      "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- $given := include "cauldron-frappe.strings" (dict "map" .labels "of" .of "label" true) | fromYaml }}
{{- $everywhere := include "cauldron-frappe.strings" (dict "map" $root.Values.global.labels "of" "global.labels" "label" true) | fromYaml }}
{{- omit (merge $own $chart $given $everywhere) "app.kubernetes.io/component" | toYaml }}
{{- end }}

{{- define "cauldron-frappe.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "cauldron-frappe.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}
