{{/* Refuses values that cannot work, and names the value to set. */}}
{{- define "cauldron-frappe.check" -}}
{{- include "cauldron-frappe.check.image" . }}
{{- include "cauldron-frappe.check.reference" . }}
{{- include "cauldron-frappe.check.name" . }}
{{- include "cauldron-frappe.check.scaling" . }}
{{- include "cauldron-frappe.check.volume" . }}
{{- include "cauldron-frappe.check.grace" . }}
{{- include "cauldron-frappe.check.restore" . }}
{{- include "cauldron-frappe.check.backup" . }}
{{- include "cauldron-frappe.check.verify" . }}
{{- end }}

{{/* There is no default image: anybody can register a name, and the image receives the administrator's password. */}}
{{- define "cauldron-frappe.check.image" -}}
{{- $how := "docker build -f docker/Dockerfile builds it from frappe/erpnext, see INSTALLATION.md" }}
{{- $repository := .Values.frappe.image.repository }}
{{- if not $repository }}
{{- fail (printf "frappe.image.repository is not set, and no image is published: set it to the image that you built (%s)" $how) }}
{{- end }}
{{- if has (trimPrefix "docker.io/" $repository) (list "frappe/bench" "library/frappe/bench") }}
{{- fail (printf "frappe.image.repository is %s, which has no bench in it: set it to the image that you built (%s)" $repository $how) }}
{{- end }}
{{- end }}

{{/* Helm allows release names that a Service's name may not begin with or contain. */}}
{{- define "cauldron-frappe.check.name" -}}
{{- $name := include "cauldron-frappe.fullname" . }}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" $name) }}
{{- fail (printf "the objects would be named %s-…, and the name of a Service begins with a letter and has small letters, digits and - only: set fullnameOverride" $name) }}
{{- end }}
{{- include "cauldron-frappe.check.label" (dict "text" (include "cauldron-frappe.name" .) "of" "nameOverride") }}
{{- end }}

{{- define "cauldron-frappe.check.scaling" -}}
{{- $scaled := dict "autoscaling.web" .Values.frappe.autoscaling.web "autoscaling.worker" .Values.frappe.autoscaling.worker }}
{{- range $pool := include "cauldron-frappe.poolNames" . | fromJsonArray }}
{{- $_ := set $scaled (printf "worker.deployments.%s.autoscaling" $pool) (include "cauldron-frappe.worker" (dict "root" $ "pool" $pool) | fromJson).autoscaling }}
{{- end }}
{{- range $path, $own := $scaled }}
{{- if and $own.enabled (gt (int $own.minReplicas) (int $own.maxReplicas)) }}
{{- fail (printf "frappe.%s.minReplicas is %d and maxReplicas %d: set maxReplicas to %d or more" $path (int $own.minReplicas) (int $own.maxReplicas) (int $own.minReplicas)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The number of pods that may run at the same time, of all roles. */}}
{{- define "cauldron-frappe.allPods" -}}
{{- $pods := ternary 1 0 (eq .Values.frappe.bootstrap.mode "job") }}
{{- if .Values.frappe.restore.from }}{{ $pods = add $pods 1 }}{{ end }}
{{- range include "cauldron-frappe.podCounts" . | fromJsonArray }}{{ $pods = add $pods (int .) }}{{ end }}
{{- $pods }}
{{- end }}

{{/* All pods share sites/. With ReadWriteOnce they share it on one node; ReadWriteOncePod, or no volume, allows one pod. */}}
{{- define "cauldron-frappe.check.volume" -}}
{{- $p := .Values.frappe.persistence }}
{{- $pods := int (include "cauldron-frappe.allPods" .) }}
{{- $one := "frappe.replicas.web=1, frappe.replicas.worker=0, frappe.scheduler.enabled=false, frappe.socketio.enabled=false, frappe.bootstrap.mode=inline" }}
{{- if and (not $p.enabled) (gt $pods 1) }}
{{- fail (printf "frappe.persistence.enabled is false, and %d pods need the same sites/: set it to true. Without a volume only one pod is possible: %s" $pods $one) }}
{{- end }}
{{- if and $p.enabled (gt $pods 1) (eq (include "cauldron-frappe.accessMode" .) "ReadWriteOncePod") }}
{{- fail (printf "the volume is ReadWriteOncePod, which only one pod may mount, and there are %d: set frappe.persistence.accessMode to ReadWriteMany, or to ReadWriteOnce (all pods on one node). For one pod, set: %s" $pods $one) }}
{{- end }}
{{- end }}

{{/* The kubelet kills at the end of the grace period. It consists of the drain, CAULDRON_GRACE and 10 s for remaining processes. */}}
{{- define "cauldron-frappe.check.grace" -}}
{{- $f := .Values.frappe }}
{{- $times := dict }}
{{- range $role := list "web" "worker" "scheduler" "socketio" "bootstrap" "backup" }}{{ $_ := set $times $role (get $f $role) }}{{ end }}
{{- range $pool := include "cauldron-frappe.poolNames" $ | fromJsonArray }}
{{- $_ := set $times (printf "worker.deployments.%s" $pool) (include "cauldron-frappe.worker" (dict "root" $ "pool" $pool) | fromJson) }}
{{- end }}
{{- $short := list }}
{{- range $role, $own := $times }}
{{- $total := int $own.terminationGracePeriodSeconds }}
{{- $drain := int (include "cauldron-frappe.drain" (dict "root" $ "role" $role)) }}
{{- if lt $total (add $drain 15 | int) }}
{{- $short = append $short (printf "frappe.%s.terminationGracePeriodSeconds is %d: set it to %d or more (frappe.drainSeconds, %d s for this role, 5 s for requests and jobs in progress, and 10 s for remaining processes)" $role $total (add $drain 15) $drain) }}
{{- end }}
{{- end }}
{{- with $short }}{{ fail (join "; " .) }}{{ end }}
{{- end }}

{{/* A backup that cannot start would only be seen at night. */}}
{{- define "cauldron-frappe.check.backup" -}}
{{- $b := .Values.frappe.backup }}
{{- $why := ternary "frappe.restore.from is set" "frappe.backup.enabled is true" (not (empty .Values.frappe.restore.from)) }}
{{- if or $b.enabled .Values.frappe.restore.from }}
{{- if not $b.to }}
{{- fail (printf "%s, and frappe.backup.to is not set: set it to a repository as restic writes it, such as s3:https://s3.example.com/backups/erp" $why) }}
{{- end }}
{{- if not $b.passwordSecret }}
{{- fail (printf "%s, and frappe.backup.passwordSecret is not set: make a Secret with the key %s, keep the password outside of this cluster, too, and name it there" $why $b.passwordKey) }}
{{- end }}
{{- if and (hasPrefix "/" $b.to) (or (not $b.claim) (not (hasPrefix "/backups/" $b.to))) }}
{{- fail (printf "frappe.backup.to is the folder %s, which ends with the pod: set frappe.backup.claim to a claim, and frappe.backup.to to a folder below /backups/" $b.to) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The restored site has webhooks and mails; nothing of it may get out. */}}
{{- define "cauldron-frappe.check.verify" -}}
{{- $b := .Values.frappe.backup }}
{{- if and $b.enabled $b.verify.enabled (include "cauldron-frappe.verifyConnects" .) }}
{{- range $b.egress }}
{{- if not .to }}
{{- fail "frappe.backup.verify.enabled is true, and a rule of frappe.backup.egress allows every host, which the webhooks of the restored site would reach: add `to` with the addresses of the storage server, and of the server in frappe.backup.verify.scratchDbUrlSecret" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A restore names the site that it replaces. */}}
{{- define "cauldron-frappe.check.restore" -}}
{{- $r := .Values.frappe.restore }}
{{- if and $r.from (not $r.confirm) }}
{{- fail "frappe.restore.from is set, and frappe.restore.confirm is not: set it to none for an installation without a site. If there is a site, the Job changes nothing then, and its log has the id to set instead" }}
{{- end }}
{{- if and (eq $r.from "newest") (ne $r.confirm "none") }}
{{- fail "frappe.restore.from is newest, and the newest backup will be the one that is taken of the present site first: set it to an id, which the log of each backup has" }}
{{- end }}
{{- if and $r.confirm (not $r.from) }}
{{- fail "frappe.restore.confirm is set, and frappe.restore.from is not: set it to the id of a backup, or remove both" }}
{{- end }}
{{- end }}

{{/* The seconds for which a pod is unready before a stop, so that endpoints are updated; 0 for roles without a Service. */}}
{{- define "cauldron-frappe.drain" -}}
{{- ternary (int .root.Values.frappe.drainSeconds) 0 (has .role (list "web" "socketio")) }}
{{- end }}
