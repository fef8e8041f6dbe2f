"""The built-in kinds: those that the operator, its tests and kubectl use."""

from __future__ import annotations

from functools import partial

from embedded_apiserver.kinds.resource import (
    CONDITIONED_SCHEMA,
    CONDITIONS,
    EVENT_SCHEMA,
    OPEN_SCHEMA,
    POD_SCHEMA,
    Resource,
)


def _same(*paths: str) -> dict[str, str]:
    return {path: path for path in paths}


_EVENT_TARGET = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_EVENT_SELECTORS = {
    "reason": "reason",
    "type": "type",
    "reportingComponent": "reportingComponent",
    "source": "source.component",
}

_APPS = [
    ("deployments", "Deployment", ("deploy",)),
    ("replicasets", "ReplicaSet", ("rs",)),
    ("statefulsets", "StatefulSet", ("sts",)),
    ("daemonsets", "DaemonSet", ("ds",)),
]

# Both APIs of Events serve the same objects.
_event_resource = partial(
    Resource,
    version="v1",
    plural="events",
    kind="Event",
    short_names=("ev",),
    has_status=False,
    has_generation=False,
    storage="events",
    schema=EVENT_SCHEMA,
    create_on_update=True,
)

BUILT_IN: tuple[Resource, ...] = (
    Resource(
        "",
        "v1",
        "namespaces",
        "Namespace",
        namespaced=False,
        short_names=("ns",),
        has_generation=False,
        fields=_same("status.phase"),
        schema=CONDITIONED_SCHEMA,
    ),
    Resource(
        "",
        "v1",
        "pods",
        "Pod",
        short_names=("po",),
        categories=("all",),
        schema=POD_SCHEMA,
        fields=_same(
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ),
    ),
    _event_resource(
        group="",
        fields={**_same(*(f"involvedObject.{name}" for name in _EVENT_TARGET)), **_EVENT_SELECTORS},
    ),
    _event_resource(
        group="events.k8s.io",
        fields={
            **{f"regarding.{name}": f"involvedObject.{name}" for name in _EVENT_TARGET},
            "reason": "reason",
            "type": "type",
            "reportingController": "reportingComponent",
        },
    ),
    Resource(
        "batch",
        "v1",
        "jobs",
        "Job",
        categories=("all",),
        schema=OPEN_SCHEMA,
        fields=_same("status.successful"),
    ),
    Resource("batch", "v1", "cronjobs", "CronJob", short_names=("cj",), categories=("all",), schema=OPEN_SCHEMA),
    *(
        Resource("apps", "v1", plural, kind, short_names=short, categories=("all",), schema=CONDITIONED_SCHEMA)
        for plural, kind, short in _APPS
    ),
    Resource(
        "coordination.k8s.io",
        "v1",
        "leases",
        "Lease",
        has_status=False,
        has_generation=False,
        unconditional_update=False,
        create_on_update=True,
        schema=OPEN_SCHEMA,
    ),
    Resource(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        unconditional_update=False,
        schema={
            "properties": {"spec": {"properties": {"versions": {}}, **OPEN_SCHEMA}, "status": CONDITIONS},
            **OPEN_SCHEMA,
        },
    ),
)
