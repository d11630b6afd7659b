{{/*
The pod of one process.  Arguments: root, component, command (a list), settings (the values of the component),
args (a text, a YAML list), configMap, serviceAccount; `once` for a process that ends by itself and serves nothing.
*/}}
{{- define "flusso.podSpec" -}}
{{- $values := .root.Values -}}
{{- $settings := .settings -}}
# No process asks the API server for anything.
automountServiceAccountToken: false
{{- with .serviceAccount }}
serviceAccountName: {{ . }}
{{- end }}
# The variables of a Service named flusso would look like options: FLUSSO_PORT and others.
enableServiceLinks: false
{{- with $values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml $values.podSecurityContext | nindent 2 }}
{{- if .once }}
restartPolicy: Never
{{- else }}
terminationGracePeriodSeconds: {{ $settings.terminationGracePeriodSeconds }}
{{- end }}
{{- with $settings.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $settings.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $settings.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $settings.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or $settings.topologySpreadConstraints $settings.spreadOverNodes }}
topologySpreadConstraints:
  {{- if $settings.spreadOverNodes }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "flusso.selectorLabels" . | nindent 8 }}
  {{- end }}
  {{- with $settings.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- with $settings.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .component }}
    image: {{ include "flusso.image" .root | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    command:
      {{- toYaml .command | nindent 6 }}
    args:
      {{- include "flusso.configurationArgs" .root | nindent 6 }}
      {{- with .args }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with $settings.extraArgs }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    env:
      - name: FLUSSO_LOG
        value: {{ $values.log.level | quote }}
      {{- if eq $values.log.format "json" }}
      - name: FLUSSO_LOG_FORMAT
        value: json
      {{- end }}
      {{- with $values.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- with $settings.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- if or $values.existingSecret $values.envFrom }}
    envFrom:
      {{- with $values.existingSecret }}
      - secretRef:
          name: {{ . }}
      {{- end }}
      {{- with $values.envFrom }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    {{- if not .once }}
    ports:
      - name: public
        containerPort: {{ $values.http.port }}
      {{- if $values.http.private.exposed }}
      - name: private
        containerPort: {{ $values.http.private.port }}
      {{- end }}
    {{- include "flusso.probes" $settings | nindent 4 }}
    {{- end }}
    {{- with $settings.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      {{- toYaml $values.containerSecurityContext | nindent 6 }}
    volumeMounts:
      - name: tmp
        mountPath: /tmp
      {{- if ne $values.configuration.kind "image" }}
      - name: configuration
        mountPath: {{ include "flusso.configurationFolder" .root }}
        readOnly: true
      {{- end }}
      {{- with $values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- with $settings.sidecars }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  {{- if ne $values.configuration.kind "image" }}
  - name: configuration
    configMap:
      name: {{ .configMap }}
      {{- if and (include "flusso.ownConfigMap" .root) (eq $values.configuration.kind "files") }}
      items:
        - key: flusso.toml
          path: flusso.toml
        {{- range $path, $_ := $values.configuration.schemas }}
        - key: {{ include "flusso.configurationKey" $path }}
          path: {{ $path }}
        {{- end }}
      {{- end }}
  {{- end }}
  {{- with $values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/*
The startup probe covers the imports of a slow node.  /healthz is 503 when the process makes no progress although its
servers answer: an outage of them restarts nothing.  /readyz is 503 while the process waits for a server, or while an index has stopped.
*/}}
{{- define "flusso.probes" -}}
{{- $http := dict "port" "public" -}}
{{- $healthz := dict "httpGet" (merge (dict "path" "/healthz") $http) -}}
{{- $readyz := dict "httpGet" (merge (dict "path" "/readyz") $http) -}}
startupProbe:
  {{- merge (dict) .startupProbe $healthz (dict "periodSeconds" 2 "failureThreshold" 60 "timeoutSeconds" 3) | toYaml | nindent 2 }}
livenessProbe:
  {{- merge (dict) .livenessProbe $healthz (dict "periodSeconds" 10 "failureThreshold" 6 "timeoutSeconds" 5) | toYaml | nindent 2 }}
readinessProbe:
  {{- merge (dict) .readinessProbe $readyz (dict "periodSeconds" 5 "failureThreshold" 3 "timeoutSeconds" 5) | toYaml | nindent 2 }}
{{- end -}}

{{/* The options of the processes that serve: addresses, and what each part of them takes. */}}
{{- define "flusso.serveArgs" -}}
{{- $values := .root.Values -}}
- {{ printf "--public-address=%s:%v" $values.http.host $values.http.port | quote }}
- {{ printf "--private-address=%s:%v" (ternary $values.http.host "127.0.0.1" $values.http.private.exposed) $values.http.private.port | quote }}
- --startup-timeout={{ int64 $values.startupTimeoutSeconds }}
{{- if ne .component "worker" }}
{{ include "flusso.sourceArgs" .root }}
{{- end }}
{{- include "flusso.indexArgs" .root }}
{{- if and (eq .component "run") (not (kindIs "invalid" $values.run.queueCapacity)) }}
- --queue-capacity={{ int64 $values.run.queueCapacity }}
{{- end }}
{{- end -}}

{{- define "flusso.sourceArgs" -}}
- --slot={{ .Values.slot }}
- {{ printf "--publication=%s" .Values.publication | quote }}
{{- end -}}

{{- define "flusso.indexArgs" -}}
{{- if not (kindIs "invalid" .Values.indexPrefix) }}
- {{ printf "--index-prefix=%s" .Values.indexPrefix | quote }}
{{- end }}
{{- end -}}

{{/* `template` of a StatefulSet or a Deployment. */}}
{{- define "flusso.podTemplate" -}}
metadata:
  labels:
    {{- include "flusso.podLabels" . | nindent 4 }}
    {{- with .settings.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- if include "flusso.ownConfigMap" .root }}
    # A changed configuration replaces the pods: a process reads it at its start only.
    checksum/configuration: {{ include "flusso.configurationData" .root | sha256sum }}
    {{- end }}
    kubectl.kubernetes.io/default-container: {{ .component }}
    {{- with merge (dict) .settings.podAnnotations .root.Values.commonAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- $more := dict "args" (include "flusso.serveArgs" .) "configMap" (include "flusso.configMapName" .root) "serviceAccount" (include "flusso.serviceAccountName" .root) }}
  {{- include "flusso.podSpec" (merge $more .) | nindent 2 }}
{{- end -}}

{{- define "flusso.configMapName" -}}
{{- .Values.configuration.existingConfigMap | default (include "flusso.fullname" .) -}}
{{- end -}}
