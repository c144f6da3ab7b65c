{{/*
The alerts that name this release: a series that is gone has no labels to group by, and the Job and the volume are other exporters'
(kube-state-metrics, the kubelet).
*/}}
{{- define "cauldron-frappe.releaseAlerts" -}}
{{- $f := .Values.frappe }}
{{- $where := printf "%s/%s" .Release.Namespace .Release.Name }}
- name: cauldron-frappe-release
  rules:
    {{- $gone := list }}
    {{- range $component, $least := include "cauldron-frappe.leastPods" . | fromJson }}
    {{- if $least }}{{ $gone = append $gone (printf "absent(cauldron_frappe_ready{namespace=%q,release=%q,component=%q})" $.Release.Namespace $.Release.Name $component) }}{{ end }}
    {{- end }}
    {{- if $gone }}
    - alert: CauldronFrappeGone
      expr: |-
        {{- join "\nor " $gone | nindent 8 }}
      for: 10m
      labels: {severity: critical}
      annotations:
        summary: No {{ "{{" }} $labels.component }} pod of {{ $where }} reports anything
        description: There is no pod, or Prometheus reaches none. `kubectl get deploy,pods` and `kubectl get events` show the reason.
        runbook_url: docs/3am.md
    {{- end }}
    {{- if eq $f.bootstrap.mode "job" }}
    - alert: CauldronFrappeJobFailed
      expr: max by (namespace, job_name) (kube_job_failed{namespace="{{ .Release.Namespace }}",job_name=~"{{ include "cauldron-frappe.jobName" . }}-[0-9a-f]{8}",condition="true"}) == 1
      labels: {severity: critical}
      annotations:
        summary: The bootstrap Job of {{ $where }} failed
        description: Its pod's log has cause and hint. The previous version keeps serving; new pods wait. Delete the Job and run `helm upgrade` after the correction.
        runbook_url: docs/3am.md
    {{- end }}
    {{- if $f.backup.enabled }}
    {{- $job := printf "{namespace=%q,cronjob=%q}" .Release.Namespace (include "cauldron-frappe.backupName" .) }}
    - alert: CauldronFrappeBackupOld
      expr: time() - kube_cronjob_status_last_successful_time{{ $job }} > 172800 or (time() - kube_cronjob_created{{ $job }} > 172800 unless kube_cronjob_status_last_successful_time{{ $job }})
      for: 15m
      labels: {severity: critical}
      annotations:
        summary: No backup of {{ $where }} has succeeded for two days
        description: The logs of the Jobs of the CronJob {{ include "cauldron-frappe.backupName" . }} have cause and hint. `cauldron-frappe backup list` shows the backups.
        runbook_url: docs/3am.md
    {{- $of := printf "{namespace=%q,release=%q}" .Release.Namespace .Release.Name }}
    - alert: CauldronFrappeBackupNotVerified
      expr: |-
        min by (namespace, release) (cauldron_frappe_backup_verified_age_seconds{{ $of }}) > 3024000
        or max by (namespace, release) (cauldron_frappe_backup_verify_passed{{ $of }}) == 0
        or (time() - kube_cronjob_created{{ $job }} > 3024000 unless on (namespace) cauldron_frappe_backup_verified_age_seconds{{ $of }})
      for: 15m
      labels: {severity: warning}
      annotations:
        summary: No backup of {{ $where }} was verified for 35 days, or the last verification failed
        description: "Run `cauldron-frappe backup verify` (docs/restore.md): its report names what does not work. `last_verified` in /status is the last one."
        runbook_url: docs/3am.md
    {{- end }}
    {{- if $f.persistence.enabled }}
    {{- $claim := printf "{namespace=%q,persistentvolumeclaim=%q}" .Release.Namespace (include "cauldron-frappe.pvc.name" .) }}
    - alert: CauldronFrappeVolumeFull
      expr: kubelet_volume_stats_available_bytes{{ $claim }} / kubelet_volume_stats_capacity_bytes{{ $claim }} < 0.1
      for: 15m
      labels: {severity: warning}
      annotations:
        summary: The volume of {{ $where }} is nearly full
        description: Uploads fail, and a migration makes no backup. Delete old backups, or raise frappe.persistence.size.
        runbook_url: docs/3am.md
    {{- end }}
{{- end }}

{{/* The least number of pods of each component, as JSON. An autoscaler may go down to its minimum. */}}
{{- define "cauldron-frappe.leastPods" -}}
{{- $f := .Values.frappe }}{{ $root := . }}
{{- $web := $f.autoscaling.web }}
{{- $least := dict "web" (int (ternary $web.minReplicas $f.replicas.web $web.enabled)) }}
{{- if $f.scheduler.enabled }}{{ $_ := set $least "scheduler" (int $f.replicas.scheduler) }}{{ end }}
{{- if $f.socketio.enabled }}{{ $_ := set $least "socketio" (int $f.replicas.socketio) }}{{ end }}
{{- range $pool := prepend (include "cauldron-frappe.poolNames" $root | fromJsonArray) "" }}
{{- $worker := include "cauldron-frappe.worker" (dict "root" $root "pool" $pool) | fromJson }}
{{- $component := include "cauldron-frappe.component" (dict "role" "worker" "pool" $pool) }}
{{- $_ := set $least $component (int (ternary $worker.autoscaling.minReplicas $worker.replicas $worker.autoscaling.enabled)) }}
{{- end }}
{{- toJson $least }}
{{- end }}
