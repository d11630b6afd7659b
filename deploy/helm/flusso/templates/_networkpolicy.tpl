{{/* A peer: all processes of this release. */}}
{{- define "flusso.siblings" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ include "flusso.name" .root }}
      app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{/* The policy of one process: each reaches the servers that it uses, and no other. */}}
{{- define "flusso.networkPolicy" -}}
{{- $values := .root.Values -}}
{{- $policy := $values.networkPolicy -}}
{{- $servers := get (dict "capture" (list "postgres" "kafka" "opensearch") "worker" (list "postgres" "kafka" "opensearch") "run" (list "postgres" "opensearch") "check" (ternary (list "postgres" "opensearch") (list "postgres" "kafka" "opensearch") (eq $values.mode "run"))) .component -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "flusso.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "flusso.selectorLabels" . | nindent 6 }}
  policyTypes:
    - Ingress
    - Egress
  {{- if eq .component "check" }}
  ingress: []
  {{- else }}
  ingress:
    - ports:
        - port: public
          protocol: TCP
      {{- with $policy.ingress.from }}
      from:
        {{- toYaml . | nindent 8 }}
        {{- include "flusso.siblings" $ | nindent 8 }}
      {{- end }}
    {{- if and $values.http.private.exposed $policy.ingress.privateFrom }}
    - ports:
        - port: private
          protocol: TCP
      from:
        {{- toYaml $policy.ingress.privateFrom | nindent 8 }}
    {{- end }}
  {{- end }}
  egress:
    - ports:
        {{- range $policy.egress.dns.ports }}
        - port: {{ . }}
          protocol: UDP
        - port: {{ . }}
          protocol: TCP
        {{- end }}
      {{- with $policy.egress.dns.to }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- if ne .component "check" }}
    # The processes ask each other for their status.
    - ports:
        - port: public
          protocol: TCP
      to:
        {{- include "flusso.siblings" . | nindent 8 }}
    {{- end }}
    {{- range $server := $servers }}
    {{- $peer := index $policy.egress $server }}
    # {{ $server }}
    - ports:
        {{- range $peer.ports }}
        - port: {{ . }}
          protocol: TCP
        {{- end }}
      {{- with $peer.to }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- with $policy.egress.extra }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
