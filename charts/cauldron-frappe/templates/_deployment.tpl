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
  {{- /* An autoscaler decides the number. The one in the cluster is repeated where an omitted field would be set to 1. */}}
  {{- $live := lookup "apps/v1" "Deployment" $root.Release.Namespace (include "cauldron-frappe.part" (dict "root" $root "part" $component)) }}
  {{- with dig "spec" "replicas" 0 $live }}
  {{- if include "cauldron-frappe.replicas.repeated" $live }}
  replicas: {{ int . }}
  {{- end }}
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

{{/*
Prints `yes` if the manifest of a live Deployment has to repeat its number of pods. Helm 3 sets a field that the next manifest omits to its
default. So does a server that applies the manifest (Helm 4), unless the field is also somebody else's, or not Helm's at all. Then it must be
omitted: a revision that names a number cannot be rolled back to when the autoscaler has decided another one.
*/}}
{{- define "cauldron-frappe.replicas.repeated" -}}
{{- $applied := false }}{{ $ours := false }}{{ $theirs := false }}
{{- range .metadata.managedFields }}
{{- $fields := dig "f:spec" dict (.fieldsV1 | default dict) }}
{{- $names := hasKey $fields "f:replicas" }}
{{- /* Of those who apply, only Helm names the selector. */}}
{{- if and (eq .operation "Apply") (hasKey $fields "f:selector") }}
{{- $applied = true }}{{ $ours = $names }}
{{- else if $names }}
{{- $theirs = true }}
{{- end }}
{{- end }}
{{- if or (not $applied) (and $ours (not $theirs)) }}yes{{ end }}
{{- end }}
