{{/*
The pod of cauldron-frappe.podText, with its arguments. What an API server refuses is refused here, with the value to set: two entries of one
name, also if one is of all roles and one of this role, or is the chart's own.
*/}}
{{- define "cauldron-frappe.pod" -}}
{{- $text := include "cauldron-frappe.podText" . }}
{{- $spec := (fromYaml $text).spec }}
{{- $of := printf "of frappe or frappe.%s" .role }}
{{- include "cauldron-frappe.once" (dict "items" $spec.volumes "key" "name" "what" "volumes" "set" (printf "extraVolumes %s" $of)) }}
{{- $containers := concat ($spec.initContainers | default list) $spec.containers }}
{{- include "cauldron-frappe.once" (dict "items" $containers "key" "name" "what" "containers" "set" (printf "extraContainers or extraInitContainers %s" $of)) }}
{{- $volumes := dict }}
{{- range $spec.volumes }}{{ $_ := set $volumes .name true }}{{ end }}
{{- $set := printf "extraVolumeMounts %s" $of }}
{{- range $container := $containers }}
{{- include "cauldron-frappe.once" (dict "items" $container.volumeMounts "key" "mountPath" "what" "mounts" "set" $set) }}
{{- range $container.volumeMounts }}
{{- if not (hasKey $volumes .name) }}
{{- fail (printf "the container %s mounts a volume %s that the pod does not have: add it to extraVolumes, or correct %s" $container.name .name $set) }}
{{- end }}
{{- end }}
{{- end }}
{{- $text }}
{{- end }}

{{/* Fails if two of these items have the same name or path. */}}
{{- define "cauldron-frappe.once" -}}
{{- $seen := dict }}
{{- range .items }}
{{- $name := get . $.key | toString | trimSuffix "/" }}
{{- if hasKey $seen $name }}
{{- fail (printf "a pod would have two %s of the %s %s, and may have one: change %s" $.what $.key $name $.set) }}
{{- end }}
{{- $_ := set $seen $name true }}
{{- end }}
{{- end }}
