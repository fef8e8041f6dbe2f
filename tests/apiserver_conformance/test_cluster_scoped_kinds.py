"""The kinds without a namespace that the operator knows are those of a real API server."""

from __future__ import annotations

from typing import Any

from coroner_operator.kube.resources import CLUSTER_SCOPED_KINDS, DISCOVERY_ACCEPT, is_namespaced
from tests.apiserver_conformance.client import connected
from tests.cluster.server import Server


def own_kinds(groups: list[Any], scope: str) -> set[tuple[str, str]]:
    """Group and kind of the objects of Kubernetes' own groups that can be read, and so can own something."""
    return {
        (group["metadata"].get("name", ""), resource["responseKind"]["kind"])
        for group in groups
        for version in group["versions"]
        for resource in version["resources"]
        if resource["scope"] == scope and "get" in resource["verbs"]
        if "." not in (name := group["metadata"].get("name", "")) or name.endswith(".k8s.io")
        if not name.endswith(".x-k8s.io")
    }


async def test_no_cluster_scoped_kind_of_kubernetes_is_missing(api_server: Server) -> None:
    async with connected(api_server.kubeconfig) as api:
        answers = [await api.get(path, accept=DISCOVERY_ACCEPT) for path in ("/api", "/apis")]
    groups = [group for answer in answers for group in answer.body["items"]]
    cluster_scoped = own_kinds(groups, "Cluster")
    assert ("", "Node") in cluster_scoped
    assert cluster_scoped - CLUSTER_SCOPED_KINDS == set()
    assert [kind for kind in own_kinds(groups, "Namespaced") if not is_namespaced(*kind)] == []
