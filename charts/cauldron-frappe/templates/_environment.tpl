{{/* The variables of every role. They contain no password: the roles use the site's own, from the volume. */}}
{{- define "cauldron-frappe.env" -}}
{{- $f := .Values.frappe -}}
- {name: SITE_NAME, value: {{ $f.site.name | quote }}}
{{- if $f.db.secret }}
{{- range $name, $key := dict "DB_HOST" $f.db.secretKeys.host "DB_PORT" $f.db.secretKeys.port "DB_NAME" $f.db.secretKeys.name }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $f.db.secret }}, key: {{ $key }}}}
{{- end }}
{{- else }}
- {name: DB_HOST, value: {{ $f.db.host | quote }}}
- {name: DB_PORT, value: {{ int $f.db.port | toString | quote }}}
- {name: DB_NAME, value: {{ include "cauldron-frappe.string" (dict "value" $f.db.name "of" "frappe.db.name") | quote }}}
{{- end }}
{{- with $f.db.sslMode }}
- {name: DB_SSLMODE, value: {{ . | quote }}}
{{- end }}
{{- include "cauldron-frappe.certificateEnv" . }}
{{- with $f.db.directHost }}
- {name: CAULDRON_DB_DIRECT_HOST, value: {{ . | quote }}}
{{- end }}
{{- with $f.db.directPort }}
- {name: CAULDRON_DB_DIRECT_PORT, value: {{ int . | toString | quote }}}
{{- end }}
{{- if $f.redis.urlSecret }}
- name: REDIS_CACHE
  valueFrom: {secretKeyRef: {name: {{ $f.redis.urlSecret }}, key: {{ $f.redis.cacheUrlKey }}}}
- name: REDIS_QUEUE
  valueFrom: {secretKeyRef: {name: {{ $f.redis.urlSecret }}, key: {{ $f.redis.queueUrlKey }}}}
{{- else }}
- {name: REDIS_CACHE_HOST, value: {{ $f.redis.cacheHost | quote }}}
- {name: REDIS_QUEUE_HOST, value: {{ $f.redis.queueHost | quote }}}
{{- with $f.redis.socketioHost }}
- {name: REDIS_SOCKETIO_HOST, value: {{ . | quote }}}
{{- end }}
- {name: REDIS_PORT, value: {{ int $f.redis.port | toString | quote }}}
{{- end }}
- {name: SOCKETIO_PORT, value: {{ int $f.service.socketioPort | toString | quote }}}
{{- with include "cauldron-frappe.apps" . }}
- {name: CAULDRON_APPS, value: {{ . | quote }}}
{{- end }}
{{- with include "cauldron-frappe.string" (dict "value" $f.appsUpdate "of" "frappe.appsUpdate") }}
- {name: CAULDRON_APPS_UPDATE, value: {{ . | quote }}}
{{- end }}
{{- with include "cauldron-frappe.url" . }}
- {name: CAULDRON_SITE_URL, value: {{ . | quote }}}
{{- end }}
- {name: CAULDRON_INSTANCE, value: {{ printf "%s/%s/%s" (default "-" (include "cauldron-frappe.string" (dict "value" .Values.global.clusterName "of" "global.clusterName"))) .Release.Namespace .Release.Name | quote }}}
- {name: CAULDRON_BENCH, value: {{ $f.bench.path | quote }}}
{{- with include "cauldron-frappe.benchId" . }}
- {name: CAULDRON_BENCH_ID, value: {{ . | quote }}}
{{- end }}
# For `kubectl exec … -- bench`, which then finds the apps from Git. Programs that this binary runs get their own, longer value.
- {name: PYTHONPATH, value: {{ printf "%s/sites/.cauldron/live" $f.bench.path | quote }}}
- {name: CAULDRON_LOG_FORMAT, value: json}
# A uid without an entry in passwd has no home.
- {name: HOME, value: /tmp}
{{- end }}

{{/* The environment of a role's container: (dict "root" $ "role" "web" "pool" "" "leads" false "grace" 45 "drain" 5). */}}
{{- define "cauldron-frappe.roleEnv" -}}
{{- $f := .root.Values.frappe -}}
{{- include "cauldron-frappe.env" .root }}
{{- if .leads }}
{{ include "cauldron-frappe.leaderEnv" .root }}
{{- else }}
- {name: CAULDRON_BOOTSTRAP, value: follow}
{{- end }}
- {name: CAULDRON_GRACE, value: {{ printf "%ds" (int .grace) | quote }}}
{{- if .drain }}
- {name: CAULDRON_DRAIN, value: {{ printf "%ds" (int .drain) | quote }}}
{{- end }}
{{- if eq .role "web" }}
{{ include "cauldron-frappe.webEnv" .root }}
{{- end }}
{{- if eq .role "socketio" }}
{{- if and $f.web.tlsSecret $f.web.tlsPrivateCa }}
- {name: CAULDRON_WEB_CA, value: /etc/cauldron/web-ca/ca.crt}
{{- end }}
- {name: CAULDRON_WEB_URL, value: {{ printf "%s://%s:%d" (ternary "https" "http" (not (empty $f.web.tlsSecret))) (include "cauldron-frappe.part" (dict "root" .root "part" "web")) (int $f.service.webPort) | quote }}}
{{- end }}
{{- if eq .role "worker" }}
{{- $worker := include "cauldron-frappe.worker" . | fromJson }}
- {name: CAULDRON_POOL, value: {{ $worker.pools | quote }}}
{{- with include "cauldron-frappe.string" (dict "value" $worker.maxMemory "of" "frappe.worker.maxMemory") }}
- {name: CAULDRON_MAX_MEMORY, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* The environment of `helm test`: that of socketio, which knows the web role's Service, and the queues of the workers. */}}
{{- define "cauldron-frappe.testEnv" -}}
{{- include "cauldron-frappe.roleEnv" (dict "root" .root "role" "socketio" "leads" false "grace" 10 "drain" 0) }}
- {name: CAULDRON_POOL, value: {{ .pools | quote }}}
{{- end }}

{{/* The login of the database server's administrator. */}}
{{- define "cauldron-frappe.adminEnv" -}}
{{- $f := .Values.frappe -}}
{{- if $f.db.secret }}
{{- range $name, $key := dict "DB_USER" $f.db.secretKeys.user "DB_PASSWORD" $f.db.secretKeys.password }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $f.db.secret }}, key: {{ $key }}}}
{{- end }}
{{- else }}
- {name: DB_USER, value: {{ include "cauldron-frappe.string" (dict "value" $f.db.user "of" "frappe.db.user") | quote }}}
- name: DB_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $f.db.passwordSecret }}, key: {{ $f.db.passwordKey }}{{ if $f.db.clientCertSecret }}, optional: true{{ end }}}}
{{- end }}
{{- end }}

{{/* The administrators' logins. Only pods that lead the bootstrap get them. */}}
{{- define "cauldron-frappe.leaderEnv" -}}
{{- $f := .Values.frappe -}}
- {name: CAULDRON_BOOTSTRAP, value: lead}
# Without a key, too: then the keys that were written before are removed.
- {name: CAULDRON_COMMON_SITE_CONFIG, value: {{ $f.commonSiteConfig | default dict | toJson | quote }}}
{{- if not (include "cauldron-frappe.benchId" .) }}
- {name: CAULDRON_BENCH_ID_IF_NEW, value: {{ include "cauldron-frappe.newBenchId" . | quote }}}
{{- end }}
{{ include "cauldron-frappe.adminEnv" . }}
# Only a new site needs it; without it the bootstrap of a new site fails with a hint.
- name: ADMIN_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "cauldron-frappe.adminSecret" . }}, key: {{ include "cauldron-frappe.adminKey" . }}, optional: true}}
{{- with $f.git.auth }}
- {name: CAULDRON_GIT_AUTH, value: {{ toJson . | quote }}}
{{- end }}
{{- with $f.site.encryptionKeySecret }}
- name: ENCRYPTION_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: encryption-key}}
{{- end }}
{{- end }}

{{- define "cauldron-frappe.webEnv" -}}
{{- $f := .Values.frappe -}}
{{- if $f.socketio.enabled -}}
- {name: SOCKETIO, value: {{ printf "%s:%d" (include "cauldron-frappe.part" (dict "root" . "part" "socketio")) (int $f.service.socketioPort) | quote }}}
{{- end }}
{{- if $f.web.tlsSecret }}
- {name: CAULDRON_TLS_CERT, value: /etc/cauldron/web-tls/tls.crt}
- {name: CAULDRON_TLS_KEY, value: /etc/cauldron/web-tls/tls.key}
{{- end }}
{{- with $f.web.trustedProxies }}
- {name: CAULDRON_TRUSTED_PROXIES, value: {{ . | quote }}}
{{- end }}
{{- with $f.web.hosts }}
- {name: CAULDRON_HOSTS, value: {{ . | quote }}}
{{- else }}
{{- /* An Ingress without a host gets every host. */}}
{{- $hosts := list }}
{{- if $f.ingress.enabled }}{{ $hosts = include "cauldron-frappe.ingressHosts" . | fromJsonArray }}{{ end }}
{{- if $f.httpRoute.enabled }}{{ $hosts = concat $hosts (include "cauldron-frappe.routeHosts" . | fromJsonArray) }}{{ end }}
{{- if and $hosts (not (has "" $hosts)) }}
- {name: CAULDRON_INGRESS_HOSTS, value: {{ join " " (uniq $hosts) | quote }}}
{{- end }}
{{- end }}
- {name: CLIENT_MAX_BODY_SIZE, value: {{ include "cauldron-frappe.string" (dict "value" $f.web.maxBodySize "of" "frappe.web.maxBodySize") | quote }}}
{{- with include "cauldron-frappe.string" (dict "value" $f.web.gunicornWorkers "of" "frappe.web.gunicornWorkers") }}
- {name: GUNICORN_WORKERS, value: {{ . | quote }}}
{{- end }}
{{- with include "cauldron-frappe.string" (dict "value" $f.web.gunicornThreads "of" "frappe.web.gunicornThreads") }}
- {name: GUNICORN_THREADS, value: {{ . | quote }}}
{{- end }}
{{- with include "cauldron-frappe.string" (dict "value" $f.web.gunicornTimeout "of" "frappe.web.gunicornTimeout") }}
- {name: GUNICORN_TIMEOUT, value: {{ . | quote }}}
{{- end }}
{{- end }}

{{/*
The sizeLimit of web's runtime folder, and CAULDRON_RUNTIME_SIZE: frappe.web.runtimeSize, or else 1Gi, or as much as the largest body
needs: 42.5 % of the folder are for one body (src/config/runtime_size.rs). Empty if extraEnv has one of the two variables, since the
chart does not know what that one fits to: (dict "web" .Values.frappe.web "extra" the pod's extraEnv).
*/}}
{{- define "cauldron-frappe.runtimeSize" -}}
{{- $given := include "cauldron-frappe.string" (dict "value" .web.runtimeSize "of" "frappe.web.runtimeSize") }}
{{- $own := false }}
{{- range .extra }}{{ if has (trimSuffix "_FILE" .name) (list "CLIENT_MAX_BODY_SIZE" "CAULDRON_RUNTIME_SIZE") }}{{ $own = true }}{{ end }}{{ end }}
{{- if $given }}{{ $given }}
{{- else if not $own }}
{{- $text := include "cauldron-frappe.string" (dict "value" .web.maxBodySize "of" "frappe.web.maxBodySize") | trim }}
{{- $digits := regexFind "^[0-9]+" $text }}
{{- $unit := trimPrefix $digits $text | lower | trimSuffix "i" }}
{{- $factor := get (dict "k" 1024 "m" 1048576 "g" 1073741824) $unit | default 1 | int64 }}
{{- $bodyMiB := div (add (mul ($digits | default "0" | int64) $factor) 1048575) 1048576 }}
{{- printf "%dMi" (max 1024 (add 2 (div (mul $bodyMiB 1000) 425))) }}
{{- end }}
{{- end }}
