"""Chains of owners as real controllers make them, from their kinds: ``"JobSet > Job > Pod"``.

``>`` is an owner reference of the controller, ``~>`` one without. A kind that several groups have is written with its
group: ``Job.batch.volcano.sh``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from coroner_operator.config.presets import PresetKind, merged, presets
from embedded_apiserver import EmbeddedApiServer
from tests.support.live_objects import ago, failed_pod, uid
from tests.support.pods import Json
from tests.workload_status.kinds import CONDITIONS_ATOMIC, CONDITIONS_MAP

KINDS = merged(presets())
BUILT_IN = {
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
}
ALL_PRESETS = ",".join(presets())


class Kind(NamedTuple):
    api_version: str
    kind: str
    namespaced: bool = True
    served: bool = True


def kind_of(word: str) -> Kind:
    """A kind that is built in or in a preset; any other is one that nobody has listed."""
    kind, _, group = word.partition(".")
    if not group and kind in BUILT_IN:
        return Kind(BUILT_IN[kind], kind)
    found = [each for each in KINDS if each.kind == kind and group in ("", each.group)]
    assert len(found) <= 1, f"{kind} of which group?"
    if not found:
        return Kind("elsewhere.example.com/v1", kind, served=False)
    return Kind(f"{found[0].group}/v1", kind, found[0].scope == "Namespaced")


def definition(kind: PresetKind) -> Json:
    """Its CustomResourceDefinition, as small as can be."""
    status = CONDITIONS_MAP if kind.write else CONDITIONS_ATOMIC
    schema = {
        "openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}, "status": status}},
    }
    names = {"plural": kind.resource, "singular": kind.kind.lower(), "kind": kind.kind, "listKind": f"{kind.kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.resource}.{kind.group}",
            # The API server wants it of groups that end in k8s.io.
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": kind.group,
            "scope": kind.scope,
            "names": names,
            "versions": [
                {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": schema},
            ],
        },
    }


def obj(word: str, name: str, namespace: str = "default", *owners: Json) -> Json:
    """An object of a kind, made a minute ago."""
    kind = kind_of(word)
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": name,
            **({"namespace": namespace} if kind.namespaced else {}),
            "uid": uid(),
            "creationTimestamp": ago(seconds=60),
            "ownerReferences": list(owners),
        },
        "spec": {},
    }


def owned_by(owner: Json, *, controller: bool = True, **changes: str) -> Json:
    """A reference to this object."""
    metadata = owner["metadata"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        **({"controller": True} if controller else {}),
        **changes,
    }
    return reference


def pod_of(name: str, namespace: str, *owners: Json, labels: dict[str, str] | None = None, **more: Any) -> Json:
    """A pod that has failed."""
    pod = failed_pod(name, namespace=namespace, **more)
    pod["metadata"]["ownerReferences"] = list(owners)
    pod["metadata"]["labels"] = labels or {}
    return pod


def put_chain(server: EmbeddedApiServer, chain: str, namespace: str) -> list[Json]:
    """Make the namespace and the objects, from the topmost to the pod that has failed."""
    server.create_namespace(namespace)
    steps = chain.replace("~>", ">~").split(">")
    made: list[Json] = []
    for number, step in enumerate(steps):
        word = step.strip("~ ")
        references = [owned_by(made[-1], controller=not step.startswith("~"))] if made else []
        name = f"{word.partition('.')[0].lower()}-{namespace}-{number}"
        if word == "Pod":
            pod = pod_of(name, namespace, *references)
            if number < len(steps) - 1:
                pod["metadata"]["creationTimestamp"] = ago(seconds=50)
                pod["status"] = {"phase": "Running"}
            made.append(server.put(pod))
        else:
            each = obj(word, name, namespace, *references)
            made.append(server.put(each) if kind_of(word).served else each)
    return made
