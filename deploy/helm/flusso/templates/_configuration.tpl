{{- define "flusso.configurationFolder" -}}/etc/flusso{{- end -}}

{{/* Whether the chart makes a ConfigMap of the texts in the values. */}}
{{- define "flusso.ownConfigMap" -}}
{{- if and (ne .Values.configuration.kind "image") (not .Values.configuration.existingConfigMap) -}}true{{- end -}}
{{- end -}}

{{/* A key of a ConfigMap has no slash; the volume gives the file its path back. */}}
{{- define "flusso.configurationKey" -}}
{{- . | replace "/" "__" -}}
{{- end -}}

{{- define "flusso.configurationData" -}}
{{- if eq .Values.configuration.kind "lock" -}}
flusso.lock: {{ .Values.configuration.lock | quote }}
{{- else -}}
flusso.toml: {{ .Values.configuration.toml | quote }}
{{- range $path, $text := .Values.configuration.schemas }}
{{ include "flusso.configurationKey" $path }}: {{ $text | quote }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* The options that name the configuration; the compiled one goes to a folder that can be written. */}}
{{- define "flusso.configurationArgs" -}}
{{- $folder := include "flusso.configurationFolder" . -}}
{{- if eq .Values.configuration.kind "files" -}}
- --config={{ $folder }}/flusso.toml
- --lock=/tmp/flusso.lock
{{- else if eq .Values.configuration.kind "lock" -}}
- --locked
- --lock={{ $folder }}/flusso.lock
{{- else -}}
- --locked
- --lock={{ .Values.configuration.imagePath }}
{{- end -}}
{{- end -}}

{{/* Values that contradict each other, beyond what values.schema.json can say. */}}
{{- define "flusso.refuse" -}}
{{- with .Values.configuration -}}
{{- if include "flusso.ownConfigMap" $ -}}
{{- if and (eq .kind "files") (not .toml) -}}
{{- fail "configuration.toml is empty: give the text of flusso.toml (--set-file configuration.toml=flusso.toml), or configuration.existingConfigMap" -}}
{{- end -}}
{{- if and (eq .kind "lock") (not .lock) -}}
{{- fail "configuration.lock is empty: give the text of flusso.lock (--set-file configuration.lock=flusso.lock), or configuration.existingConfigMap" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.http.private.exposed (not .Values.existingSecret) -}}
{{- fail "http.private.exposed needs existingSecret, with FLUSSO_ADMIN_PASSWORD in it: everyone knows the default password" -}}
{{- end -}}
{{- with .Values.worker.autoscaling -}}
{{- if and (eq .kind "keda") (not .keda.prometheus.serverAddress) (not .keda.kafka.consumerGroups) (not .keda.triggers) -}}
{{- fail "worker.autoscaling.keda has no trigger: set prometheus.serverAddress, kafka.consumerGroups or triggers" -}}
{{- end -}}
{{- if and .keda.kafka.consumerGroups (not .keda.kafka.bootstrapServers) -}}
{{- fail "worker.autoscaling.keda.kafka.bootstrapServers is empty" -}}
{{- end -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail "worker.autoscaling.minReplicas is above maxReplicas" -}}
{{- end -}}
{{- end -}}
{{- end -}}
