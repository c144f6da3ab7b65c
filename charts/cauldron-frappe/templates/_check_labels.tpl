{{/*
Refuses keys of labels and annotations that an API server refuses, and names them: (dict "key" "team" "of" "frappe.podLabels" "label" true). The
prefix of an annotation may have capital letters.
*/}}
{{- define "cauldron-frappe.check.key" -}}
{{- $parts := splitList "/" .key }}
{{- $name := last $parts }}
{{- $prefix := trimSuffix (printf "/%s" $name) .key }}
{{- if not .label }}{{ $prefix = lower $prefix }}{{ end }}
{{- $domain := "[a-z0-9]([a-z0-9-]*[a-z0-9])?" }}
{{- $named := and (le (len $name) 63) (regexMatch "^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$" $name) }}
{{- $prefixed := or (eq (len $parts) 1) (and (le (len $prefix) 253) (regexMatch (printf "^%s([.]%s)*$" $domain $domain) $prefix)) }}
{{- if not (and $named $prefixed) }}
{{- fail (printf "the key %s of %s is not a qualified name, as labels and annotations need: use at most 63 letters, digits, ., _ and -, with a letter or digit at both ends, after a domain and / if it has one, such as example.com/team" (.key | quote) .of) }}
{{- end }}
{{- end }}

{{/* Refuses a label's value that an API server refuses: (dict "text" … "of" "frappe.podLabels.team"). */}}
{{- define "cauldron-frappe.check.label" -}}
{{- if or (gt (len .text) 63) (not (regexMatch "^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$" .text)) }}
{{- fail (printf "%s is %s, which a label cannot be: set it to at most 63 letters, digits, ., _ and -, with a letter or digit at both ends, or use an annotation" .of (.text | trunc 80 | quote)) }}
{{- end }}
{{- end }}
