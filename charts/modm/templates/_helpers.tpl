{{- define "modm.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 54 | trimSuffix "-" -}}
{{- end -}}

{{/* The release's name where it already says modm. 54 characters leave room for "-operator" within a label's 63. */}}
{{- define "modm.fullname" -}}
{{- $name := include "modm.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 54 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 54 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 54 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "modm.operator" -}}
{{- include "modm.fullname" . -}}-operator
{{- end -}}

{{/* Cluster-wide objects of two releases must not share a name. */}}
{{- define "modm.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "modm.operator" .) -}}
{{- end -}}

{{- define "modm.selector" -}}
app.kubernetes.io/name: {{ include "modm.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "modm.labels" -}}
{{ include "modm.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: modm
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* (list $ "gateway"): registry/repository:tag, or @digest */}}
{{- define "modm.image" -}}
{{- $root := index . 0 -}}
{{- $image := index $root.Values.image (index . 1) -}}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- $tag := $image.tag | default $root.Chart.AppVersion -}}
{{- ternary "@" ":" (hasPrefix "sha256:" $tag) -}}{{- $tag -}}
{{- end -}}
