{{/* The name of the CronJob. Kubernetes adds eleven characters for its Jobs. */}}
{{- define "cauldron-frappe.backupName" -}}
{{- include "cauldron-frappe.fullname" . | trunc 45 | trimSuffix "-" }}-backup
{{- end }}

{{/* The backups of the site: only their pods get the repository's password and the credentials of its server. */}}
{{- define "cauldron-frappe.backupEnv" -}}
{{- $b := .Values.frappe.backup -}}
- {name: CAULDRON_BACKUP_TO, value: {{ $b.to | quote }}}
- {name: CAULDRON_BACKUP_PASSWORD_FILE, value: /run/secrets/backup/{{ $b.passwordKey }}}
{{- with include "cauldron-frappe.string" (dict "value" $b.rate "of" "frappe.backup.rate") }}
- {name: CAULDRON_BACKUP_RATE, value: {{ . | quote }}}
{{- end }}
{{- if $b.credentialsSecret }}
{{- range $name, $key := $b.credentialKeys }}
{{- if $key }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $b.credentialsSecret }}, key: {{ $key }}}}
{{- end }}
{{- end }}
{{- end }}
- {name: RESTIC_CACHE_DIR, value: /tmp/restic}
{{- end }}

{{- define "cauldron-frappe.backupMounts" -}}
{{- $b := .Values.frappe.backup -}}
- {name: backup-password, mountPath: /run/secrets/backup, readOnly: true}
{{- if $b.claim }}
- {name: backups, mountPath: /backups}
{{- end }}
{{- end }}

{{- define "cauldron-frappe.backupVolumes" -}}
{{- $b := .Values.frappe.backup -}}
- name: backup-password
  # 0440: readable by the pod's group (fsGroup).
  secret: {secretName: {{ $b.passwordSecret }}, defaultMode: 288}
{{- if $b.claim }}
- name: backups
  persistentVolumeClaim: {claimName: {{ $b.claim }}}
{{- end }}
{{- end }}

{{/*
The schedule. `@daily` is spread by the release's name over the hours from 0:00 to 4:59: a hundred releases that start in one minute would slow down
one server of databases.
*/}}
{{- define "cauldron-frappe.backupSchedule" -}}
{{- $schedule := .Values.frappe.backup.schedule }}
{{- if eq $schedule "@daily" }}
{{- $spread := printf "%s/%s" .Release.Namespace .Release.Name | adler32sum | int64 }}
{{- printf "%d %d * * *" (mod $spread 60) (mod (div $spread 60) 5) }}
{{- else }}
{{- $schedule }}
{{- end }}
{{- end }}

{{/* The name of the CronJob that verifies. */}}
{{- define "cauldron-frappe.verifyName" -}}
{{- include "cauldron-frappe.fullname" . | trunc 45 | trimSuffix "-" }}-verify
{{- end }}

{{/* `@weekly` is spread by the release's name over the days, and the hours from 5:00 to 9:59, after the backups. */}}
{{- define "cauldron-frappe.verifySchedule" -}}
{{- $schedule := .Values.frappe.backup.verify.schedule }}
{{- if eq $schedule "@weekly" }}
{{- $spread := printf "%s/%s" .Release.Namespace .Release.Name | adler32sum | int64 }}
{{- printf "%d %d * * %d" (mod $spread 60) (add 5 (mod (div $spread 60) 5)) (mod (div $spread 300) 7) }}
{{- else }}
{{- $schedule }}
{{- end }}
{{- end }}

{{/* Where a verification restores: a folder, and a server of its own or of a Secret. */}}
{{- define "cauldron-frappe.scratchEnv" -}}
{{- $v := .Values.frappe.backup.verify -}}
- {name: CAULDRON_SCRATCH_DIR, value: /scratch}
{{- if $v.scratchDbUrlSecret }}
- {name: CAULDRON_SCRATCH_DB_URL_FILE, value: /run/secrets/scratch/{{ $v.scratchDbUrlKey }}}
{{- end }}
{{- end }}

{{- define "cauldron-frappe.scratchMounts" -}}
- {name: scratch, mountPath: /scratch}
{{- if .Values.frappe.backup.verify.scratchDbUrlSecret }}
- {name: scratch-db, mountPath: /run/secrets/scratch, readOnly: true}
{{- end }}
{{- end }}

{{- define "cauldron-frappe.scratchVolumes" -}}
{{- $v := .Values.frappe.backup.verify -}}
- name: scratch
  emptyDir: {sizeLimit: {{ include "cauldron-frappe.string" (dict "value" $v.scratchSize "of" "frappe.backup.verify.scratchSize") }}}
{{- if $v.scratchDbUrlSecret }}
- name: scratch-db
  # 0440: readable by the pod's group (fsGroup).
  secret: {secretName: {{ $v.scratchDbUrlSecret }}, defaultMode: 288}
{{- end }}
{{- end }}

{{/* True if a verification connects to what frappe.backup.egress names: a storage server, or a server of databases. */}}
{{- define "cauldron-frappe.verifyConnects" -}}
{{- $b := .Values.frappe.backup -}}
{{- if or $b.verify.scratchDbUrlSecret (not (hasPrefix "/" ($b.to | default ""))) }}true{{ end }}
{{- end }}
