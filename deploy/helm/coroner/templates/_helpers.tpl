{{- define "coroner.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of all namespaced objects. At most 52 characters, so that suffixes such as "-dashboard" fit into 63. */}}
{{- define "coroner.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := .Values.fullnameOverride | default (ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name)) }}
{{- if gt (len $full) 52 }}
{{- /* truncated names stay unique: they end with a hash of the full name */}}
{{- printf "%s-%s" ($full | trunc 43 | trimSuffix "-" | trimSuffix ".") (sha256sum $full | trunc 8) }}
{{- else }}
{{- $full | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Name of cluster-scoped objects. It contains the namespace, so that releases of the same name in two namespaces do not conflict. */}}
{{- define "coroner.clustername" -}}
{{ include "coroner.fullname" . }}:{{ .Release.Namespace }}
{{- end }}

{{- define "coroner.selectorLabels" -}}
app.kubernetes.io/name: {{ include "coroner.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "coroner.labels" -}}
{{ include "coroner.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: coroner
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "coroner.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "coroner.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "coroner.image" -}}
{{- with .Values.image }}
{{- with .registry }}{{ . }}/{{ end }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{- define "coroner.leaseName" -}}
{{- .Values.leaderElection.leaseName | default (include "coroner.fullname" .) }}
{{- end }}

{{- define "coroner.rulesConfigMap" -}}
{{- .Values.existingRulesConfigMap | default (ternary "" (printf "%s-rules" (include "coroner.fullname" .)) (empty .Values.rules)) }}
{{- end }}

{{/* The settings file of the operator. Settings that the chart derives from other values are not allowed in `config` (values.schema.json). */}}
{{- define "coroner.settings" -}}
{{- $settings := dict "health_address" (printf ":%d" (int .Values.ports.health)) "metrics_address" (printf ":%d" (int .Values.ports.metrics)) }}
{{- with .Values.watchNamespaces }}{{ $_ := set $settings "namespaces" . }}{{ end }}
{{- if include "coroner.rulesConfigMap" . }}{{ $_ := set $settings "rules" "/etc/coroner/rules/rules.yaml" }}{{ end }}
{{- if .Values.redaction }}{{ $_ := set $settings "redaction" "/etc/coroner/redaction/redaction.yaml" }}{{ end }}
{{- with .Values.workloads }}{{ $_ := set $settings "workloads" . }}{{ end }}
{{- with .Values.walk }}{{ $_ := set $settings "walk" . }}{{ end }}
{{- with .Values.presets }}{{ $_ := set $settings "presets" . }}{{ end }}
{{- if .Values.leaderElection.enabled }}
{{- $_ := set $settings "leader_election" true }}
{{- $_ := set $settings "lease_name" (include "coroner.leaseName" .) }}
{{- $_ := set $settings "lease_namespace" .Release.Namespace }}
{{- end }}
{{- toYaml (merge $settings .Values.config) }}
{{- end }}

{{/* Whether to render an object of the monitoring API: (dict "root" $ "switch" .Values.serviceMonitor "kind" "ServiceMonitor") → "yes" or "". */}}
{{- define "coroner.monitoring" -}}
{{- if .switch.enabled }}
{{- $known := .root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind) }}
{{- if or $known (eq .switch.renderMode "alwaysRender") -}}
yes
{{- else if eq .switch.renderMode "failIfMissing" }}
{{- fail (printf "the cluster does not serve monitoring.coreos.com/v1 %s; install the CRDs of the Prometheus Operator, or set renderMode to skipIfMissing" .kind) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Whether the operator records Events → "yes" or "". */}}
{{- define "coroner.events" -}}
{{- if ne (toString .Values.config.events) "false" }}yes{{ end }}
{{- end }}

{{/* Permissions in the watched namespaces. Each one is needed for a call that the operator makes. */}}
{{- define "coroner.rules" -}}
# pods, and events about them
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [list, watch]
# owners of pods
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: [get]
- apiGroups: [apps]
  resources: [deployments, replicasets, statefulsets, daemonsets]
  verbs: [get]
# reports
- apiGroups: [coroner.dev]
  resources: [failurereports]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [coroner.dev]
  resources: [failurereports/status]
  verbs: [patch]
{{- if include "coroner.events" . }}
# Events on workloads
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [get, create, patch]
{{- end }}
{{- range $name, $kind := include "coroner.kinds" . | fromJson }}
{{- if ne $kind.scope "Cluster" }}
{{ include "coroner.kindRules" $kind }}
{{- end }}
{{- end }}
{{- end }}

{{/* The custom kinds of `workloads`, `walk` and `presets`, by the names of their CustomResourceDefinitions, as JSON. */}}
{{- define "coroner.kinds" -}}
{{- $kinds := dict }}
{{- range .Values.workloads }}
{{- $_ := set $kinds (printf "%s.%s" .resource .group) (dict "group" .group "resource" .resource "scope" (default "Namespaced" .scope) "write" (ne (toString .write) "false")) }}
{{- end }}
{{- range .Values.walk }}
{{- $_ := set $kinds (printf "%s.%s" .resource .group) (dict "group" .group "resource" .resource "scope" (default "Namespaced" .scope) "write" false) }}
{{- end }}
{{- $listed := keys $kinds }}
{{- $presets := .Files.Get "files/presets.yaml" | fromYaml }}
{{- range $preset := .Values.presets }}
{{- range (index $presets $preset).kinds }}
{{- $name := printf "%s.%s" .resource .group }}
{{- if not (has $name $listed) }}
{{- $known := default dict (get $kinds $name) }}
{{- $_ := set $kinds $name (dict "group" .group "resource" .resource "scope" (default "Namespaced" .scope) "write" (or (default false .write) (default false $known.write))) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $kinds }}
{{- end }}

{{- define "coroner.kindRules" -}}
# owners of pods: {{ .resource }}{{ if .write }}, and the verdict in their status{{ end }}
- apiGroups: [{{ .group }}]
  resources: [{{ .resource }}]
  verbs: [get]
{{- if .write }}
- apiGroups: [{{ .group }}]
  resources: [{{ .resource }}/status]
  verbs: [patch]
{{- end }}
{{- end }}

{{/* Permissions for CustomResourceDefinitions and listed kinds that are cluster-scoped. */}}
{{- define "coroner.schemaRules" -}}
{{- $kinds := include "coroner.kinds" . | fromJson }}
# to check that the served schema has every field that this version writes{{ if $kinds }}, and how the listed kinds are served{{ end }}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames:
    - failurereports.coroner.dev
    {{- range $name, $kind := $kinds }}
    - {{ $name }}
    {{- end }}
  verbs: [list, watch]
{{- range $name, $kind := $kinds }}
{{- if eq $kind.scope "Cluster" }}
{{ include "coroner.kindRules" $kind }}
{{- end }}
{{- end }}
{{- end }}
