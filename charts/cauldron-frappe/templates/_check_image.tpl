{{/*
Refuses an image that no kubelet can pull (InvalidImageName), and names the value to correct. The grammar is that of container runtimes
(distribution/reference): a registry's host, a path in small letters, a tag, a digest. The first part is a host only if it has a dot, a colon
or a capital, or is localhost; a path alone is on Docker Hub.
*/}}
{{- define "cauldron-frappe.check.reference" -}}
{{- $label := "[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?" }}
{{- $host := printf "(%s([.]%s)*|\\[[a-fA-F0-9:]+\\])(:[0-9]+)?" $label $label }}
{{- $part := "[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*" }}
{{- $tag := "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}" }}
{{- $digest := "@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})" }}
{{- if not (regexMatch (printf "^(%s/)?%s(/%s)*(:%s)?(%s)?$" $host $part $part $tag $digest) (include "cauldron-frappe.image" .)) }}
{{- $image := .Values.frappe.image }}
{{- $given := include "cauldron-frappe.string" (dict "value" $image.tag "of" "frappe.image.tag") | default .Chart.AppVersion }}
{{- $registry := .Values.global.imageRegistry }}
{{- if and (not $image.digest) (not (regexMatch (printf "^%s(%s)?$" $tag $digest) $given)) }}
{{- fail (printf "frappe.image.tag is %s, and a tag has at most 128 letters, digits, dots, - and _, and begins with no dot and no -: set it to a tag of your image" ($given | trunc 140 | quote)) }}
{{- end }}
{{- if and $registry (not (regexMatch (printf "^%s(/%s)*/?$" $host $part) $registry)) }}
{{- fail "global.imageRegistry is not a registry: set it to a host, with a port and a path if it has them, and without https://, such as mirror.example.com:5000/dockerhub" }}
{{- end }}
{{- include "cauldron-frappe.check.repository" (dict "repository" $image.repository "end" (printf "(:%s)?(%s)?$" $tag $digest)) }}
{{- end }}
{{- end }}

{{/* What is wrong with a repository: (dict "repository" … "end" the pattern of a tag and a digest). A login in it is not shown. */}}
{{- define "cauldron-frappe.check.repository" -}}
{{- $end := regexFind .end .repository }}
{{- $bare := trimSuffix $end .repository }}
{{- if regexMatch "^[A-Za-z]+://" .repository }}
{{- fail (printf "frappe.image.repository is a URL: remove %s from it" (regexFind "^[A-Za-z]+://" .repository)) }}
{{- else if contains "@sha" $end }}
{{- fail (printf "frappe.image.repository has a digest: set frappe.image.digest to %s, and leave only the name in frappe.image.repository" (splitList "@" $end | last)) }}
{{- else if $end }}
{{- fail (printf "frappe.image.repository has a tag: set frappe.image.tag to %s, and frappe.image.repository to %s" (trimPrefix ":" $end | quote) $bare) }}
{{- end }}
{{- $shown := ternary "" (printf " (%s)" .repository) (contains "@" .repository) }}
{{- fail (printf "frappe.image.repository is not an image name%s: set it to a registry's host and a path in small letters, digits, and single ., _ and - between them, such as registry.example.com:5000/team/erpnext" $shown) }}
{{- end }}
