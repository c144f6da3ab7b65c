{{/* Until Kubernetes 1.28, `kubectl` and Helm refuse a rule without onPodConditions, and the API server one with both: (dict "root" $ "container" "bootstrap"). */}}
{{- define "cauldron-frappe.failurePolicy" -}}
{{- if semverCompare ">=1.29-0" .root.Capabilities.KubeVersion.Version -}}
podFailurePolicy:
  rules:
    # An evicted or preempted pod did not fail.
    - action: Ignore
      onPodConditions:
        - {type: DisruptionTarget, status: "True"}
    # What no retry corrects: site data, a login or a grant, a setting.
    - action: FailJob
      onExitCodes: {containerName: {{ .container }}, operator: In, values: [65, 77, 78]}
{{- end }}
{{- end }}
