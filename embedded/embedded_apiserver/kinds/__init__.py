"""The kinds that are served, and the rules that differ between them.

resource          how the API describes a kind
builtin_resources the built-in kinds
crds              custom kinds, from CustomResourceDefinitions
registry          the kinds that are currently served
builtin_strategy  defaults, validation and grace periods of built-in kinds
event_versions    Events as core/v1 and as events.k8s.io/v1
"""
