"""The kinds that are served, and how the built-in ones differ from each other.

resource          what the API says of a kind
builtin_resources the built-in kinds
crds              custom kinds, from CustomResourceDefinitions
registry          all kinds served now
builtin_strategy  defaults, validation and grace periods of built-in kinds
event_versions    one Event, shown as core/v1 and as events.k8s.io/v1
"""
