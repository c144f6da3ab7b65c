{{/*
A value as text: (dict "value" … "of" "frappe.image.tag"). YAML parses 15 and 20240101 as numbers, which print as
`%!s(float64=15)` and 2.0240101e+07. A number with more digits than Helm keeps is refused, because its value would change.
*/}}
{{- define "cauldron-frappe.string" -}}
{{- if kindIs "float64" .value }}
{{- if or (ge .value 9007199254740992.0) (le .value -9007199254740992.0) }}
{{- fail (printf "%s is a number with more digits than Helm keeps: put it in quotes" .of) }}
{{- end }}
{{- toJson .value }}
{{- else if not (kindIs "invalid" .value) }}
{{- .value }}
{{- end }}
{{- end }}

{{/*
Labels and annotations, whose values must be text: (dict "map" … "of" "frappe.podAnnotations"), with "label" true for labels and selectors of
nodes, whose values an API server restricts. A key that is null is left out, so that a later values file can remove it.
*/}}
{{- define "cauldron-frappe.strings" -}}
{{- $of := .of }}{{- $label := .label }}{{- $texts := dict }}
{{- range $key, $value := .map | default dict }}
{{- if not (kindIs "invalid" $value) }}
{{- $text := include "cauldron-frappe.string" (dict "value" $value "of" (printf "%s.%s" $of $key)) }}
{{- include "cauldron-frappe.check.key" (dict "key" $key "of" $of "label" $label) }}
{{- if $label }}{{ include "cauldron-frappe.check.label" (dict "text" $text "of" (printf "%s.%s" $of $key)) }}{{ end }}
{{- $_ := set $texts $key $text }}
{{- end }}
{{- end }}
{{- toYaml $texts }}
{{- end }}

{{/* An object's annotations: the chart's own (`own`) and the values' (`map`, `of`). Each key has one value; the chart's wins. */}}
{{- define "cauldron-frappe.annotations" -}}
{{- $given := include "cauldron-frappe.strings" . | fromYaml }}
{{- with merge (dict) .own $given -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
