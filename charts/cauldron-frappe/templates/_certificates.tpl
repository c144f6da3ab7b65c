{{/* The variables of certificates for every role. */}}
{{- define "cauldron-frappe.certificateEnv" -}}
{{- $db := .Values.frappe.db }}{{ $redis := .Values.frappe.redis }}
{{- if or $db.caSecret $db.caConfigMap }}
- {name: DB_SSLROOTCERT, value: /etc/cauldron/db-ca/ca.crt}
{{- end }}
{{- if $db.clientCertSecret }}
- {name: DB_SSLCERT, value: /etc/cauldron/db-client/tls.crt}
- {name: DB_SSLKEY, value: /etc/cauldron/db-client/tls.key}
{{- end }}
{{- if or $redis.caSecret $redis.caConfigMap }}
- {name: REDIS_TLS_CA, value: /etc/cauldron/redis-ca/ca.crt}
{{- end }}
{{- end }}

{{- define "cauldron-frappe.certificateMounts" -}}
{{- $db := .Values.frappe.db }}{{ $redis := .Values.frappe.redis }}
{{- if or $db.caSecret $db.caConfigMap }}
- {name: db-ca, mountPath: /etc/cauldron/db-ca, readOnly: true}
{{- end }}
{{- if $db.clientCertSecret }}
- {name: db-client, mountPath: /etc/cauldron/db-client, readOnly: true}
{{- end }}
{{- if or $redis.caSecret $redis.caConfigMap }}
- {name: redis-ca, mountPath: /etc/cauldron/redis-ca, readOnly: true}
{{- end }}
{{- end }}

{{/* The volumes of certificates: (dict "root" $ "role" "web"). Keys are 0440: readable by the pod's group (fsGroup). */}}
{{- define "cauldron-frappe.certificates" -}}
{{- $f := .root.Values.frappe }}
{{- range $name, $of := dict "db-ca" $f.db "redis-ca" $f.redis }}
{{- if $of.caSecret }}
- name: {{ $name }}
  secret: {secretName: {{ $of.caSecret }}}
{{- else if $of.caConfigMap }}
- name: {{ $name }}
  configMap: {name: {{ $of.caConfigMap }}}
{{- end }}
{{- end }}
{{- with $f.db.clientCertSecret }}
- name: db-client
  secret: {secretName: {{ . }}, defaultMode: 288}
{{- end }}
{{- if $f.web.tlsSecret }}
{{- if eq .role "web" }}
- name: web-tls
  secret: {secretName: {{ $f.web.tlsSecret }}, defaultMode: 288}
{{- else if and (eq .role "socketio") $f.web.tlsPrivateCa }}
# Without the key.
- name: web-ca
  secret: {secretName: {{ $f.web.tlsSecret }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- end }}
{{- end }}

{{/* The mounts of one role alone: (dict "root" $ "role" "web"). */}}
{{- define "cauldron-frappe.roleCertificateMounts" -}}
{{- $web := .root.Values.frappe.web }}
{{- if $web.tlsSecret }}
{{- if eq .role "web" }}
- {name: web-tls, mountPath: /etc/cauldron/web-tls, readOnly: true}
{{- else if and (eq .role "socketio") $web.tlsPrivateCa }}
- {name: web-ca, mountPath: /etc/cauldron/web-ca, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
