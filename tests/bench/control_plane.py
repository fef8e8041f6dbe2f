"""The API server that a measurement gets to itself, started for it and ended with it.

Never a cluster that runs already: ten thousand pods are no guests. No controllers either: they would delete pods of
Jobs that do not exist, and count the failures of those that do.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.scripts import hold
from tests.cluster.sources import Assets, OwnBuild, choose, find_kubectl

CRDS = Path(__file__).parents[2] / "crds"
# Every call of the operator, and of the pods' side none of the ten thousands that fill the cluster.
AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: None, verbs: [create, update, patch, delete], resources: [{group: "", resources: [pods, pods/status]}]}
  - {level: None, users: ["system:apiserver"]}
  - {level: Metadata}
"""


@dataclass(frozen=True)
class ControlPlane:
    kubeconfig: Path
    origin: str
    """For a person: how it came to be."""
    audit_log: Path | None
    """None: this server writes none."""
    pids: tuple[int, ...]
    """Of its processes."""


@contextlib.contextmanager
def real_api_server(folder: Path) -> Iterator[ControlPlane]:
    """etcd and kube-apiserver. ``folder``: where its audit log goes. Raises NoKubernetesError."""
    source = choose((Assets(), OwnBuild(kubelet=False)))
    source.prepare()
    policy, log = folder / "audit-policy.yaml", folder / "audit.log"
    policy.write_text(AUDIT_POLICY)
    given = {"APISERVER_ARGS": f"--audit-policy-file={policy} --audit-log-path={log}"}
    if isinstance(source, Assets):
        programs = Path(source.folder or "")
        given |= {"BIN": str(programs), "BUILD": "no", "KUBECTL": find_kubectl(programs) or "kubectl"}
    with hold("bench", ["--control-plane-only"], given) as kubeconfig:
        pids = (kubeconfig.parent / "pids" / name for name in ("kube-apiserver", "etcd"))
        yield ControlPlane(kubeconfig, str(source), log, tuple(int(file.read_text().split()[0]) for file in pids))


@contextlib.contextmanager
def embedded_api_server(folder: Path) -> Iterator[ControlPlane]:
    """The embedded one, as a process of its own: it shares no interpreter with those who measure."""
    kubeconfig = folder / "kubeconfig"
    command = [sys.executable, "-m", "embedded_apiserver", "--port", "0", "--kubeconfig", str(kubeconfig)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            if not process.stdout.readline().startswith("listening"):
                raise RuntimeError(f"{' '.join(command)} did not start")
            yield ControlPlane(kubeconfig, "embedded", None, (process.pid,))
        finally:
            process.terminate()
