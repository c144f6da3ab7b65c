{{/*
The pod of a role: (dict "root" $ "role" "web"). Every role uses the same image with another argument.
The variables of all roles are in cauldron-frappe.env; only cauldron-frappe.leaderEnv has logins of administrators.
*/}}
{{- define "cauldron-frappe.pod" -}}
{{- $root := .root }}{{- $role := .role }}
{{- $f := $root.Values.frappe }}
{{- $one := eq $role "bootstrap" }}
{{- $own := get $f $role | default dict }}
{{- $leads := or $one (and (eq $role "web") (eq $f.bootstrap.mode "inline")) }}
{{- $waits := and (not $one) (or $f.initContainers.waitForDb.enabled $f.initContainers.waitForRedis.enabled) }}
{{- $drain := int (include "cauldron-frappe.drain" .) }}
{{- $total := int $own.terminationGracePeriodSeconds }}
{{- $grace := sub (sub $total $drain) 10 }}
metadata:
  labels:
    {{- include "cauldron-frappe.selectorLabels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $role }}
  {{- $sums := dict "checksum/config" (include "cauldron-frappe.variables" (dict "root" $root "entries" (include "cauldron-frappe.env" $root)) | sha256sum | trunc 32) }}
  {{- if and $leads $f.site.adminPassword }}
  {{- $_ := set $sums "checksum/secret" ($f.site.adminPassword | toString | sha256sum | trunc 32) }}
  {{- end }}
  {{- include "cauldron-frappe.annotations" (dict "own" $sums "map" $f.podAnnotations "of" "frappe.podAnnotations") | nindent 2 }}
spec:
  {{- if $one }}
  # The pod retries. After an error that needs an operator (see its log), it continues once the error is fixed.
  restartPolicy: OnFailure
  {{- end }}
  serviceAccountName: {{ include "cauldron-frappe.serviceAccountName" $root }}
  {{- /* The older name of the same field, which the API server sets. A rollback to 0.1.0, which has no account, removes only fields
  that are set here; otherwise its pods would keep the name of a deleted account. */}}
  serviceAccount: {{ include "cauldron-frappe.serviceAccountName" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  # {{ $drain }} s unready, {{ $grace }} s for requests and jobs in progress, 10 s for remaining processes.
  terminationGracePeriodSeconds: {{ $total }}
  securityContext:
    {{- toYaml $f.podSecurityContext | nindent 4 }}
  {{- with $root.Values.global.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $f.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $f.nodeSelector }}
  nodeSelector:
    {{- include "cauldron-frappe.strings" (dict "map" . "of" "frappe.nodeSelector") | nindent 4 }}
  {{- end }}
  {{- with $f.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and $f.persistence.enabled (ne (include "cauldron-frappe.accessMode" $root) "ReadWriteMany") }}
  # Only one node can mount the volume, so all pods run there.
  affinity:
    podAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        - topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "cauldron-frappe.selectorLabels" $root | nindent 14 }}
  {{- else if not $one }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "cauldron-frappe.selectorLabels" $root | nindent 10 }}
          app.kubernetes.io/component: {{ $role }}
  {{- end }}
  {{- if $waits }}
  initContainers:
    - name: wait-deps
      image: {{ include "cauldron-frappe.image" $root | quote }}
      imagePullPolicy: {{ default $root.Values.global.imagePullPolicy $f.image.pullPolicy }}
      args: [wait-deps]
      env:
        {{- include "cauldron-frappe.variables" (dict "root" $root "entries" (include "cauldron-frappe.env" $root)) | nindent 8 }}
      securityContext:
        {{- toYaml $f.securityContext | nindent 8 }}
      resources:
        requests: {memory: 16Mi, cpu: 10m}
        limits: {memory: 64Mi, cpu: 100m}
      volumeMounts:
        {{- include "cauldron-frappe.mounts" $root | nindent 8 }}
  {{- end }}
  containers:
    - name: {{ ternary "frappe" $role (eq $role "web") }}
      image: {{ include "cauldron-frappe.image" $root | quote }}
      imagePullPolicy: {{ default $root.Values.global.imagePullPolicy $f.image.pullPolicy }}
      args: [{{ $role }}]
      env:
        {{- $entries := include "cauldron-frappe.roleEnv" (dict "root" $root "role" $role "leads" $leads "grace" $grace "drain" $drain) }}
        {{- include "cauldron-frappe.variables" (dict "root" $root "entries" $entries) | nindent 8 }}
      {{- if not $one }}
      ports:
        {{- if eq $role "web" }}
        - {name: http, containerPort: 8000}
        {{- end }}
        {{- if eq $role "socketio" }}
        - {name: socketio, containerPort: {{ int $f.service.socketioPort }}}
        {{- end }}
        - {name: health, containerPort: 9180}
      {{- range $kind, $path := dict "startup" "/startupz" "liveness" "/livez" "readiness" "/readyz" }}
      {{- $times := get $f (printf "%sProbe" $kind) }}
      {{- if $times.enabled }}
      {{ $kind }}Probe:
        httpGet: {path: {{ $path }}, port: health}
        {{- omit $times "enabled" | toYaml | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- else }}
      ports:
        - {name: health, containerPort: 9180}
      {{- if $f.livenessProbe.enabled }}
      # Restarts a bootstrap that makes no progress for 15 minutes, but not a slow one.
      livenessProbe:
        httpGet: {path: /livez, port: health}
        {{- omit $f.livenessProbe "enabled" | toYaml | nindent 8 }}
      {{- end }}
      {{- end }}
      securityContext:
        {{- toYaml $f.securityContext | nindent 8 }}
      {{- with get $f.resources $role }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        {{- include "cauldron-frappe.mounts" $root | nindent 8 }}
        {{- if and $leads $f.git.secret }}
        - {name: git, mountPath: /run/secrets/git, readOnly: true}
        {{- end }}
  volumes:
    - name: frappe-data
      {{- if $f.persistence.enabled }}
      persistentVolumeClaim:
        claimName: {{ include "cauldron-frappe.pvc.name" $root }}
      {{- else }}
      emptyDir: {}
      {{- end }}
    {{- range list "tmp" "run" "config" "logs" }}
    - name: {{ . }}
      emptyDir: {}
    {{- end }}
    {{- if and $leads $f.git.secret }}
    - name: git
      # 0440: readable by the pod's group (fsGroup).
      secret: {secretName: {{ $f.git.secret }}, defaultMode: 288}
    {{- end }}
    {{- if $f.db.caSecret }}
    - name: db-ca
      secret: {secretName: {{ $f.db.caSecret }}}
    {{- else if $f.db.caConfigMap }}
    - name: db-ca
      configMap: {name: {{ $f.db.caConfigMap }}}
    {{- end }}
{{- end }}

{{/* The shared sites/, and the other folders that a bench writes to, because the root is read-only. */}}
{{- define "cauldron-frappe.mounts" -}}
{{- $bench := .Values.frappe.bench.path -}}
- {name: frappe-data, mountPath: {{ $bench }}/sites}
- {name: tmp, mountPath: /tmp}
- {name: run, mountPath: /run/cauldron}
- {name: config, mountPath: {{ $bench }}/config}
- {name: logs, mountPath: {{ $bench }}/logs}
{{- if or .Values.frappe.db.caSecret .Values.frappe.db.caConfigMap }}
- {name: db-ca, mountPath: /etc/cauldron/db-ca, readOnly: true}
{{- end }}
{{- end }}
