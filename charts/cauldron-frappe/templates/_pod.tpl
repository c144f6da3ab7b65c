{{/*
The pod of a role: (dict "root" $ "role" "web"), for a Deployment of frappe.worker.deployments also its name as "pool", for the pod of
a restore or a verification (role backup) "restore" or "verify" as "task". Every role uses the
same image with another argument. The variables of all roles are in cauldron-frappe.env; only cauldron-frappe.leaderEnv and .restoreEnv have logins
of administrators.
*/}}
{{- define "cauldron-frappe.podText" -}}
{{- $root := .root }}{{- $role := .role }}{{- $task := .task | default "" }}
{{- $f := $root.Values.frappe }}
{{- $one := or (eq $role "bootstrap") (eq $role "backup") }}
{{- $component := include "cauldron-frappe.component" . }}
{{- $values := include "cauldron-frappe.podValues" . | fromJson }}
{{- $own := get $f $role | default dict }}
{{- if eq $role "worker" }}{{ $own = include "cauldron-frappe.worker" . | fromJson }}{{ end }}
{{- $leads := or (eq $role "bootstrap") (and (eq $role "web") (eq (include "cauldron-frappe.bootstrapMode" $root) "inline")) }}
{{- $waits := and (not $one) (or $f.initContainers.waitForDb.enabled $f.initContainers.waitForRedis.enabled) }}
{{- $drain := int (include "cauldron-frappe.drain" .) }}
{{- $total := int $own.terminationGracePeriodSeconds }}
{{- $grace := sub (sub $total $drain) 10 }}
{{- $runtimeSize := "" }}
{{- if eq $role "web" }}{{ $runtimeSize = include "cauldron-frappe.runtimeSize" (dict "web" $f.web "extra" $values.extraEnv) }}{{ end }}
{{- $common := include "cauldron-frappe.variables" (dict "extra" $values.extraEnv "entries" (include "cauldron-frappe.env" $root)) }}
metadata:
  labels:
    {{- $labels := include "cauldron-frappe.selectorLabels" $root | fromYaml }}
    {{- $given := include "cauldron-frappe.strings" (dict "map" $values.podLabels "of" "podLabels" "label" true) | fromYaml }}
    {{- merge (dict "app.kubernetes.io/component" $component) $labels $given | toYaml | nindent 4 }}
  {{- $sums := dict "checksum/config" ($common | sha256sum | trunc 32) }}
  {{- if and $leads $f.site.adminPassword }}
  {{- $_ := set $sums "checksum/secret" ($f.site.adminPassword | toString | sha256sum | trunc 32) }}
  {{- end }}
  {{- include "cauldron-frappe.annotations" (dict "own" $sums "map" $values.podAnnotations "of" "podAnnotations") | nindent 2 }}
spec:
  {{- if $one }}
  # Each attempt has a pod of its own, so that its log stays and the Job sees its exit code.
  restartPolicy: Never
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
  {{- range $name := list "priorityClassName" "runtimeClassName" "dnsPolicy" }}
  {{- with get $values $name }}
  {{ $name }}: {{ . }}
  {{- end }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- include "cauldron-frappe.strings" (dict "map" . "of" "nodeSelector" "label" true) | nindent 4 }}
  {{- end }}
  {{- range $name := list "tolerations" "hostAliases" "dnsConfig" }}
  {{- with get $values $name }}
  {{ $name }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with include "cauldron-frappe.placement" (dict "root" $root "component" $component "spreads" (not $one) "values" $values) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- if or $waits $values.extraInitContainers }}
  initContainers:
    {{- with $values.extraInitContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- if $waits }}
    - name: wait-deps
      image: {{ include "cauldron-frappe.image" $root | quote }}
      imagePullPolicy: {{ default $root.Values.global.imagePullPolicy $f.image.pullPolicy }}
      args: [wait-deps]
      env:
        {{- $common | nindent 8 }}
      {{- with $values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- toYaml $f.securityContext | nindent 8 }}
      resources:
        requests: {memory: 16Mi, cpu: 10m}
        limits: {memory: 64Mi, cpu: 100m}
      volumeMounts:
        {{- include "cauldron-frappe.mounts" $root | nindent 8 }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  {{- end }}
  containers:
    - name: {{ ternary "frappe" (.task | default $role) (eq $role "web") }}
      image: {{ include "cauldron-frappe.image" $root | quote }}
      imagePullPolicy: {{ default $root.Values.global.imagePullPolicy $f.image.pullPolicy }}
      args: [{{ if eq $task "restore" }}{{ include "cauldron-frappe.restoreArgs" $root }}{{ else if eq $task "verify" }}backup, verify{{ else }}{{ ternary "backup, --scheduled" $role (eq $role "backup") }}{{ end }}]
      env:
        {{- $entries := include "cauldron-frappe.roleEnv" (dict "root" $root "role" $role "pool" .pool "leads" $leads "grace" $grace "drain" $drain) }}
        {{- if $runtimeSize }}{{ $entries = printf "%s\n- {name: CAULDRON_RUNTIME_SIZE, value: %q}" $entries $runtimeSize }}{{ end }}
        {{- if eq $role "backup" }}{{ $entries = printf "%s\n%s" $entries (include "cauldron-frappe.backupEnv" $root) }}{{ end }}
        {{- if eq $task "restore" }}{{ $entries = printf "%s\n%s" $entries (include "cauldron-frappe.restoreEnv" $root) }}{{ end }}
        {{- if eq $task "verify" }}{{ $entries = printf "%s\n%s" $entries (include "cauldron-frappe.scratchEnv" $root) }}{{ end }}
        {{- include "cauldron-frappe.variables" (dict "extra" $values.extraEnv "entries" $entries) | nindent 8 }}
      {{- range $name, $key := dict "extraEnvFrom" "envFrom" "lifecycle" "lifecycle" }}
      {{- with get $values $name }}
      {{ $key }}:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
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
      {{- else if eq $role "bootstrap" }}
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
      {{- with $own.resources | default (get $f.resources $role) }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        {{- include "cauldron-frappe.mounts" $root | nindent 8 }}
        {{- if and $leads $f.git.secret }}
        - {name: git, mountPath: /run/secrets/git, readOnly: true}
        {{- end }}
        {{- if eq $role "backup" }}
        {{- include "cauldron-frappe.backupMounts" $root | nindent 8 }}
        {{- end }}
        {{- if eq $task "verify" }}
        {{- include "cauldron-frappe.scratchMounts" $root | nindent 8 }}
        {{- end }}
        {{- with include "cauldron-frappe.roleCertificateMounts" . | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with $values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: frappe-data
      {{- if and $f.persistence.enabled (ne $task "verify") }}
      persistentVolumeClaim:
        claimName: {{ include "cauldron-frappe.pvc.name" $root }}
      {{- else }}
      emptyDir: {}
      {{- end }}
    {{- range list "tmp" "run" "config" "logs" }}
    - name: {{ . }}
      emptyDir: {{ if and (eq . "run") $runtimeSize }}{sizeLimit: {{ $runtimeSize }}}{{ else }}{}{{ end }}
    {{- end }}
    {{- if and $leads $f.git.secret }}
    - name: git
      # 0440: readable by the pod's group (fsGroup).
      secret: {secretName: {{ $f.git.secret }}, defaultMode: 288}
    {{- end }}
    {{- if eq $role "backup" }}
    {{- include "cauldron-frappe.backupVolumes" $root | nindent 4 }}
    {{- end }}
    {{- if eq $task "verify" }}
    {{- include "cauldron-frappe.scratchVolumes" $root | nindent 4 }}
    {{- end }}
    {{- with include "cauldron-frappe.certificates" (dict "root" $root "role" $role) | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
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
{{- include "cauldron-frappe.certificateMounts" . }}
{{- end }}
