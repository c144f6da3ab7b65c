{{/* What every role is told. No password is among it: the roles use the site's own, from the volume. */}}
{{- define "cauldron-frappe.env" -}}
{{- $f := .Values.frappe -}}
- {name: SITE_NAME, value: {{ $f.site.name | quote }}}
- {name: DB_HOST, value: {{ $f.db.host | quote }}}
- {name: DB_PORT, value: {{ int $f.db.port | toString | quote }}}
- {name: DB_NAME, value: {{ $f.db.name | quote }}}
{{- with $f.db.sslMode }}
- {name: DB_SSLMODE, value: {{ . | quote }}}
{{- end }}
{{- if or $f.db.caSecret $f.db.caConfigMap }}
- {name: DB_SSLROOTCERT, value: /etc/cauldron/db-ca/ca.crt}
{{- end }}
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
{{- with $f.appsUpdate }}
- {name: CAULDRON_APPS_UPDATE, value: {{ . | quote }}}
{{- end }}
{{- with include "cauldron-frappe.url" . }}
- {name: CAULDRON_SITE_URL, value: {{ . | quote }}}
{{- end }}
- {name: CAULDRON_INSTANCE, value: {{ printf "%s/%s/%s" (default "-" .Values.global.clusterName) .Release.Namespace .Release.Name | quote }}}
- {name: CAULDRON_BENCH, value: {{ $f.bench.path | quote }}}
# `kubectl exec … -- bench` finds the apps that came from Git; what this binary runs has a longer one of its own.
- {name: PYTHONPATH, value: {{ printf "%s/sites/.cauldron/live" $f.bench.path | quote }}}
- {name: CAULDRON_LOG_FORMAT, value: json}
# A uid without an entry in passwd has no home.
- {name: HOME, value: /tmp}
{{- with $f.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The administrators' logins: what leads the bootstrap has them, nothing else. */}}
{{- define "cauldron-frappe.leaderEnv" -}}
{{- $f := .Values.frappe -}}
- {name: CAULDRON_BOOTSTRAP, value: lead}
- {name: DB_USER, value: {{ $f.db.user | quote }}}
- name: DB_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $f.db.passwordSecret }}, key: {{ $f.db.passwordKey }}}}
# Only a new site needs it; without it the bootstrap says so.
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
{{- with $f.web.trustedProxies }}
- {name: CAULDRON_TRUSTED_PROXIES, value: {{ . | quote }}}
{{- end }}
{{- with $f.web.hosts }}
- {name: CAULDRON_HOSTS, value: {{ . | quote }}}
{{- end }}
- {name: CLIENT_MAX_BODY_SIZE, value: {{ $f.web.maxBodySize | quote }}}
{{- with $f.web.gunicornWorkers }}
- {name: GUNICORN_WORKERS, value: {{ . | toString | quote }}}
{{- end }}
{{- with $f.web.gunicornThreads }}
- {name: GUNICORN_THREADS, value: {{ . | toString | quote }}}
{{- end }}
{{- with $f.web.gunicornTimeout }}
- {name: GUNICORN_TIMEOUT, value: {{ . | toString | quote }}}
{{- end }}
{{- end }}
