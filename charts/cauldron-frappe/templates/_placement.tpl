{{/*
The nodes of a pod: (dict "root" $ "component" "web" "spreads" true "values" …). A volume that only one node can mount keeps all pods of the
release on that node, beside the affinity of the values. The scheduler counts a pod until it has ended, as does the volume: a drained node
is left when its last pod has stopped (docs/operations.md#drain-a-node).
*/}}
{{- define "cauldron-frappe.placement" -}}
{{- $f := .root.Values.frappe }}
{{- $labels := include "cauldron-frappe.selectorLabels" .root | fromYaml }}
{{- $affinity := deepCopy (.values.affinity | default dict) }}
{{- $one := and $f.persistence.enabled (ne (include "cauldron-frappe.accessMode" .root) "ReadWriteMany") }}
{{- if $one }}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" $labels) }}
{{- $pods := get $affinity "podAffinity" | default dict }}
{{- $required := "requiredDuringSchedulingIgnoredDuringExecution" }}
{{- $_ := set $pods $required (prepend (get $pods $required | default list) $term) }}
{{- $_ := set $affinity "podAffinity" $pods }}
{{- end }}
{{- with $affinity }}
{{- if $one }}
# Only one node can mount the volume, so all pods run there.
{{- end }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $spread := .values.topologySpreadConstraints }}
{{- if and (not $spread) .spreads (not $one) }}
{{- $all := dict "matchLabels" (merge (dict "app.kubernetes.io/component" .component) $labels) }}
{{- $spread = list (dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway" "labelSelector" $all) }}
{{- end }}
{{- with $spread }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
