{{- define "coroner.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of every namespaced object. 52 characters at most: "-dashboard" and the like still fit into 63. */}}
{{- define "coroner.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := .Values.fullnameOverride | default (ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name)) }}
{{- if gt (len $full) 52 }}
{{- /* cut names stay different: the end is a hash of the whole */}}
{{- printf "%s-%s" ($full | trunc 43 | trimSuffix "-" | trimSuffix ".") (sha256sum $full | trunc 8) }}
{{- else }}
{{- $full | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Name of cluster-scoped objects: with the namespace, so that releases of one name in two namespaces do not clash. */}}
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

{{/* The operator's settings file. What the chart itself decides cannot be set in `config`: the schema refuses it. */}}
{{- define "coroner.settings" -}}
{{- $settings := dict "health_address" (printf ":%d" (int .Values.ports.health)) "metrics_address" (printf ":%d" (int .Values.ports.metrics)) }}
{{- with .Values.watchNamespaces }}{{ $_ := set $settings "namespaces" . }}{{ end }}
{{- if include "coroner.rulesConfigMap" . }}{{ $_ := set $settings "rules" "/etc/coroner/rules/rules.yaml" }}{{ end }}
{{- if .Values.redaction }}{{ $_ := set $settings "redaction" "/etc/coroner/redaction/redaction.yaml" }}{{ end }}
{{- with .Values.workloads }}{{ $_ := set $settings "workloads" . }}{{ end }}
{{- if .Values.leaderElection.enabled }}
{{- $_ := set $settings "leader_election" true }}
{{- $_ := set $settings "lease_name" (include "coroner.leaseName" .) }}
{{- $_ := set $settings "lease_namespace" .Release.Namespace }}
{{- end }}
{{- toYaml (merge $settings .Values.config) }}
{{- end }}

{{/* Whether an object of the monitoring API is to be rendered: (dict "root" $ "switch" .Values.serviceMonitor "kind" "ServiceMonitor") → "yes" or "". */}}
{{- define "coroner.monitoring" -}}
{{- if .switch.enabled }}
{{- $known := .root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind) }}
{{- if or $known (eq .switch.renderMode "alwaysRender") -}}
yes
{{- else if eq .switch.renderMode "failIfMissing" }}
{{- fail (printf "the cluster does not know monitoring.coreos.com/v1 %s; install the Prometheus operator's CRDs, or set renderMode to skipIfMissing" .kind) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the operator may do in the namespaces that it watches. Each line is a call that it makes. */}}
{{- define "coroner.rules" -}}
# what fails, and what Kubernetes says about it
- apiGroups: [""]
  resources: [pods, events]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [get, list, watch]
# whose pods they are
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [deployments, replicasets, statefulsets, daemonsets]
  verbs: [get, list, watch]
# the reports
- apiGroups: [coroner.dev]
  resources: [failurereports]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [coroner.dev]
  resources: [failurereports/status]
  verbs: [get, patch, update]
# what a person sees on a built-in workload
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- range .Values.workloads }}
# the verdict on {{ .resource }}
- apiGroups: [{{ .group }}]
  resources: [{{ .resource }}]
  verbs: [get, list, watch]
- apiGroups: [{{ .group }}]
  resources: [{{ .resource }}/status]
  verbs: [patch]
{{- end }}
{{- end }}

{{/* What it reads of CustomResourceDefinitions, which are the cluster's. */}}
{{- define "coroner.schemaRules" -}}
# does the served schema know every field that this version writes{{ if .Values.workloads }}, and what can be written on those kinds{{ end }}?
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames:
    - failurereports.coroner.dev
    {{- range .Values.workloads }}
    - {{ .resource }}.{{ .group }}
    {{- end }}
  verbs: [get, list, watch]
{{- end }}
