{{/*
The Service of a role: (dict "root" $ "role" "web" "port" "http" "number" 8000 "own" … "given" … "spec" …), with `own` annotations, those
`given` for it in frappe.service, and the chart's own fields in `spec`. frappe.<role>.service has its own annotations, labels, nodePort and
any field of a Service's spec.
*/}}
{{- define "cauldron-frappe.service" -}}
{{- $service := get (get .root.Values.frappe .role) "service" | default dict }}
{{- $port := dict "name" .port "port" (int .number) "targetPort" .port "protocol" "TCP" }}
{{- with $service.nodePort }}{{ $_ := set $port "nodePort" (int .) }}{{ end }}
{{- $selector := merge (dict "app.kubernetes.io/component" .role) (include "cauldron-frappe.selectorLabels" .root | fromYaml) }}
{{- $spec := merge (omit $service "annotations" "labels" "nodePort") .spec (dict "type" .root.Values.frappe.service.type) }}
{{- $_ := set $spec "ports" (list $port) }}{{ $_ := set $spec "selector" $selector }}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "cauldron-frappe.part" (dict "root" .root "part" .role) }}
  labels:
    {{- include "cauldron-frappe.labelsWith" (dict "root" .root "labels" $service.labels "of" (printf "frappe.%s.service.labels" .role)) | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
  {{- $given := merge (dict) ($service.annotations | default dict) (.given | default dict) }}
  {{- with include "cauldron-frappe.annotations" (dict "own" .own "map" $given "of" (printf "frappe.%s.service.annotations" .role)) }}{{ . | nindent 2 }}{{ end }}
spec:
  {{- toYaml $spec | nindent 2 }}
{{- end }}
