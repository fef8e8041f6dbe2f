"""A Kubernetes that runs: where it is, and a real kubectl to talk to it."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class KubectlError(Exception):
    """kubectl refused; the text is what it wrote on standard error."""


@dataclass(frozen=True)
class Server:
    """One running Kubernetes, with an admin's rights."""

    kubeconfig: Path
    kubectl_program: str
    origin: str
    """How it came to be, for a person: "our own build", "kind", "E2E_KUBECONFIG=…"."""
    has_controllers: bool = True
    """Namespaces get a default service account, Jobs make pods, garbage is collected."""
    runs_pods: bool = False
    """There is a node with a kubelet."""

    @property
    def url(self) -> str:
        """Address of the API server of the current context, without a trailing slash."""
        document: Mapping[str, Any] = yaml.safe_load(self.kubeconfig.read_text())
        contexts = {entry["name"]: entry["context"] for entry in document["contexts"]}
        clusters = {entry["name"]: entry["cluster"] for entry in document["clusters"]}
        server: str = clusters[contexts[document["current-context"]]["cluster"]]["server"]
        return server.rstrip("/")

    def kubectl(self, *args: str, input: str | None = None, timeout: float = 60) -> str:  # noqa: A002 - subprocess' own word
        """Standard output of `kubectl ARGS`; raises KubectlError where it ends with another status than 0."""
        command = [self.kubectl_program, "--kubeconfig", str(self.kubeconfig), *args]
        done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout
