{{/*
The seconds that a proxy waits for a response: gunicorn's limit and 10 s, so that the client gets our answer (504) and not the proxy's.
GUNICORN_TIMEOUT is a number of seconds or a time with its unit; 0 is no limit, here a day.
*/}}
{{- define "cauldron-frappe.proxySeconds" -}}
{{- $text := include "cauldron-frappe.string" (dict "value" .Values.frappe.web.gunicornTimeout "of" "frappe.web.gunicornTimeout") | default "120" }}
{{- $number := regexFind "^[0-9]+" $text | default "0" | int64 }}
{{- $unit := trimPrefix (regexFind "^[0-9]+" $text) $text | trim }}
{{- $factor := get (dict "" 1 "s" 1 "m" 60 "h" 3600 "ms" 0) $unit | default 0 | int64 }}
{{- $seconds := mul $number $factor }}
{{- if eq $seconds 0 }}86400{{ else }}{{ add $seconds 10 }}{{ end }}
{{- end }}

{{/* The annotations by which the Ingress controllers that are known here get these limits; the values' own win. */}}
{{- define "cauldron-frappe.ingressAnnotations" -}}
{{- $f := .Values.frappe }}
{{- $seconds := include "cauldron-frappe.proxySeconds" . }}
{{- $body := include "cauldron-frappe.string" (dict "value" $f.web.maxBodySize "of" "frappe.web.maxBodySize") }}
{{- $own := dict }}
{{- if eq $f.ingress.className "nginx" }}
{{- $nginx := "nginx.ingress.kubernetes.io" }}
{{- $own = dict (printf "%s/affinity" $nginx) "cookie" (printf "%s/proxy-body-size" $nginx) $body
      (printf "%s/proxy-read-timeout" $nginx) $seconds (printf "%s/proxy-send-timeout" $nginx) $seconds }}
{{- if $f.web.tlsSecret }}{{ $_ := set $own (printf "%s/backend-protocol" $nginx) "HTTPS" }}{{ end }}
{{- else if eq $f.ingress.className "haproxy" }}
{{- $own = dict "haproxy.org/timeout-server" (printf "%ss" $seconds) "haproxy.org/cookie-persistence" "cauldron-web" }}
{{- if $f.web.tlsSecret }}{{ $_ := set $own "haproxy.org/server-ssl" "true" }}{{ end }}
{{- else if eq $f.ingress.className "contour" }}
{{- $own = dict "projectcontour.io/response-timeout" (printf "%ss" $seconds) }}
{{- end }}
{{- merge (deepCopy ($f.ingress.annotations | default dict)) $own | toYaml }}
{{- end }}
