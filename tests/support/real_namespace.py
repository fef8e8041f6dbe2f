"""A namespace of a real API server on which a test may put pods."""

from __future__ import annotations

import json

from tests.cluster.server import Server
from tests.support.operators import ROOT


def prepare(server: Server, namespace: str) -> None:
    """Our CRDs are served, and the namespace is there, with the account without which pods are refused."""
    server.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    server.kubectl("wait", "--for=condition=Established", "crd/failurereports.coroner.dev")
    server.kubectl("create", "namespace", namespace)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    server.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(account))
