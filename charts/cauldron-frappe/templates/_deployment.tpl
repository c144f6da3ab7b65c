{{/* A role's Deployment: (dict "root" $ "role" "web" "replicas" 1), without a number if an autoscaler decides it; "pool" as in the pod. */}}
{{- define "cauldron-frappe.deployment" -}}
{{- $root := .root }}
{{- $component := include "cauldron-frappe.component" . }}
{{- $values := include "cauldron-frappe.podValues" . | fromJson }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "cauldron-frappe.part" (dict "root" $root "part" $component) }}
  labels:
    {{- include "cauldron-frappe.labelsWith" (dict "root" $root "labels" $values.labels "of" "labels") | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
  {{- with include "cauldron-frappe.annotations" (dict "own" dict "map" $values.annotations "of" "annotations") }}{{ . | nindent 2 }}{{ end }}
spec:
  {{- if hasKey . "replicas" }}
  replicas: {{ int .replicas }}
  {{- else }}
  {{- /* An autoscaler decides the number. The one in the cluster is repeated: an omitted field would be set to 1 when scaling is switched on. */}}
  {{- $live := lookup "apps/v1" "Deployment" $root.Release.Namespace (include "cauldron-frappe.part" (dict "root" $root "part" $component)) }}
  {{- with dig "spec" "replicas" 0 $live }}
  replicas: {{ int . }}
  {{- end }}
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
      app.kubernetes.io/component: {{ $component }}
  template:
    {{- include "cauldron-frappe.pod" . | nindent 4 }}
{{- end }}
