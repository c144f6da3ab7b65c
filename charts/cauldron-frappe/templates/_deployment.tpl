{{/* A role's Deployment: (dict "root" $ "role" "web" "scaled" false). */}}
{{- define "cauldron-frappe.deployment" -}}
{{- $root := .root }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "cauldron-frappe.part" (dict "root" $root "part" .role) }}
  labels:
    {{- include "cauldron-frappe.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  {{- if not .scaled }}
  replicas: {{ int (get $root.Values.frappe.replicas .role) }}
  {{- end }}
  revisionHistoryLimit: 5
  # A long bootstrap is not a failed roll-out.
  progressDeadlineSeconds: 3600
  {{- if and $root.Values.frappe.persistence.enabled (eq (include "cauldron-frappe.accessMode" $root) "ReadWriteOncePod") }}
  # The new pod cannot mount the volume while the old one runs.
  strategy: {type: Recreate}
  {{- else }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  {{- end }}
  selector:
    matchLabels:
      {{- include "cauldron-frappe.selectorLabels" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .role }}
  template:
    {{- include "cauldron-frappe.pod" . | nindent 4 }}
{{- end }}
