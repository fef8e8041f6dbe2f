"""Custom kinds as strangers write them: the same spec, five ways to say a status."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
PHASE: Schema = {"phase": TEXT, "round": {"type": "integer"}}
ANYTHING: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
METAV1_CONDITION: Schema = {
    "type": "object",
    "required": ["type", "status", "reason", "message", "lastTransitionTime"],
    "properties": {
        "type": {
            "type": "string",
            "maxLength": 316,
            "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        },
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "reason": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        },
        "message": {"type": "string", "maxLength": 32768},
        "lastTransitionTime": {"type": "string", "format": "date-time"},
        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
    },
}
BY_TYPE = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
CONDITIONS: Schema = {"type": "array", **BY_TYPE, "items": METAV1_CONDITION}
ATOMIC_CONDITIONS: Schema = {"type": "array", "items": METAV1_CONDITION}
FAILURE: Schema = {
    "type": "object",
    "properties": {
        "state": TEXT,
        "category": TEXT,
        "subcategory": TEXT,
        "reason": TEXT,
        "message": TEXT,
        "hint": TEXT,
        "exitCode": {"type": "integer"},
        "pod": {"type": "object", "properties": {"name": TEXT}},
        "failures": {"type": "integer"},
    },
}


def status(**properties: Schema) -> Schema:
    """A status that declares these fields beside a phase."""
    return {"type": "object", "properties": {**PHASE, **properties}}


STATUS_FAILURE = status(failure=FAILURE)
CONDITIONS_MAP = status(conditions=CONDITIONS)
CONDITIONS_ATOMIC = status(conditions=ATOMIC_CONDITIONS)
PRESERVING = ANYTHING


def crd(group: str, status: Schema | None, *, subresource: bool = True, scope: str = "Namespaced") -> dict[str, Any]:
    """The CRD of ``trainings.<group>``; ``status`` None: its schema has none."""
    properties = {"spec": {"type": "object"}, **({"status": status} if status else {})}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"trainings.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": "trainings", "singular": "training", "kind": "Training", "listKind": "TrainingList"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    **({"subresources": {"status": {}}} if subresource else {}),
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
                }
            ],
        },
    }
