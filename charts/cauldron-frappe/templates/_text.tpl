{{/*
A value as text: (dict "value" … "of" "frappe.image.tag"). YAML makes numbers of 15 and 20240101, which print as
`%!s(float64=15)` and 2.0240101e+07. One with more digits than a number keeps is refused: it would be another value.
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

{{/* Labels and annotations, whose values are text to the API server: (dict "map" … "of" "frappe.podAnnotations"). */}}
{{- define "cauldron-frappe.strings" -}}
{{- $of := .of }}{{- $texts := dict }}
{{- range $key, $value := .map | default dict }}
{{- $_ := set $texts $key (include "cauldron-frappe.string" (dict "value" $value "of" (printf "%s.%s" $of $key))) }}
{{- end }}
{{- toYaml $texts }}
{{- end }}

{{/* An object's annotations: the chart's own (`own`), then the values' (`map`, `of`). One key has one value, the chart's first. */}}
{{- define "cauldron-frappe.annotations" -}}
{{- $given := include "cauldron-frappe.strings" . | fromYaml }}
{{- with merge (dict) .own $given -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
