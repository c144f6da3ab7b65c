{{/* The name of the Job, without its digest. */}}
{{- define "cauldron-frappe.restoreName" -}}
{{- include "cauldron-frappe.fullname" . | trunc 45 | trimSuffix "-" }}-restore
{{- end }}

{{/* The words of the command, as a YAML list without brackets. */}}
{{- define "cauldron-frappe.restoreArgs" -}}
{{- $r := .Values.frappe.restore -}}
restore, {{ $r.from | quote }}{{ with $r.only }}, --only, {{ . }}{{ end }}, --confirm, {{ $r.confirm | quote }}
{{- end }}

{{/*
What a restore has beside the variables of a backup: the administrator's login, which creates a database or a role that does not exist; the drain of
the roles, for which it waits; and the bench id of an empty volume, as the bootstrap has it.
*/}}
{{- define "cauldron-frappe.restoreEnv" -}}
{{ include "cauldron-frappe.adminEnv" . }}
{{- if not (include "cauldron-frappe.benchId" .) }}
- {name: CAULDRON_BENCH_ID_IF_NEW, value: {{ include "cauldron-frappe.newBenchId" . | quote }}}
{{- end }}
- {name: CAULDRON_DRAIN, value: {{ printf "%ds" (int .Values.frappe.drainSeconds) | quote }}}
{{- end }}

{{/*
Who leads the bootstrap: job, inline, or nobody while a backup is restored into an installation without a site. A bootstrap would create a site
there, and the restore would then be refused.
*/}}
{{- define "cauldron-frappe.bootstrapMode" -}}
{{- $r := .Values.frappe.restore -}}
{{- if and $r.from (eq $r.confirm "none") }}nobody{{ else }}{{ .Values.frappe.bootstrap.mode }}{{ end }}
{{- end }}
