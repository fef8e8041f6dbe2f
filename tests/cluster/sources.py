"""The ways to come by a Kubernetes, in the order in which tests try them.

A source says what hinders it on this machine, prepares what is slow and needed once, and starts a server that lives as
long as its `with` block, or as this process, whichever ends first.
"""

import contextlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.cluster.scripts import SCRIPTS, NoKubernetesError, cache_folder, hold, run_script, script_environment
from tests.cluster.server import Server

# No node here ever runs the recorded pods' containers: pods bound to a node that does not exist must be left alone.
CONTROLLERS = "--controllers=*,-pod-garbage-collector-controller"


class MisconfiguredError(Exception):
    """A source was asked for by name and cannot serve."""


class Source(Protocol):
    """Its str() is what a person calls it."""

    def obstacle(self) -> str | None:
        """Why this source cannot serve here; None if it can. MisconfiguredError where it was asked for by name."""

    def prepare(self) -> None:
        """Do what is slow and needed once a machine. Raises NoKubernetesError."""

    def start(self) -> contextlib.AbstractContextManager[Server]:
        """A server, ready to be used. Raises NoKubernetesError."""


def find_kubectl(*folders: Path) -> str | None:
    """A kubectl from these folders, from our own build, or from PATH."""
    for folder in (*folders, cache_folder() / "bin"):
        if (folder / "kubectl").exists():
            return str(folder / "kubectl")
    return shutil.which("kubectl")


@dataclass(frozen=True)
class Existing:
    """A cluster that runs already: E2E_KUBECONFIG."""

    kubeconfig: str | None = field(default_factory=lambda: os.environ.get("E2E_KUBECONFIG"))

    def obstacle(self) -> str | None:
        if not self.kubeconfig:
            return "E2E_KUBECONFIG is not set"
        if not Path(self.kubeconfig).is_file():
            raise MisconfiguredError(f"E2E_KUBECONFIG={self.kubeconfig}: there is no such file")
        if find_kubectl() is None:
            raise MisconfiguredError(f"E2E_KUBECONFIG={self.kubeconfig}: no kubectl on PATH")
        return None

    def prepare(self) -> None:
        pass

    @contextlib.contextmanager
    def start(self) -> Iterator[Server]:
        kubectl = find_kubectl()
        assert self.kubeconfig, "start() without asking obstacle()"
        assert kubectl, "start() without asking obstacle()"
        yield Server(Path(self.kubeconfig).resolve(), kubectl, str(self), runs_pods=True)

    def __str__(self) -> str:
        return f"E2E_KUBECONFIG={self.kubeconfig}"


@dataclass(frozen=True)
class Assets:
    """etcd, kube-apiserver and, if there, kube-controller-manager of KUBEBUILDER_ASSETS (setup-envtest)."""

    folder: str | None = field(default_factory=lambda: os.environ.get("KUBEBUILDER_ASSETS"))

    def obstacle(self) -> str | None:
        if not self.folder:
            return "KUBEBUILDER_ASSETS is not set"
        lacking = [name for name in ("etcd", "kube-apiserver") if not (Path(self.folder) / name).exists()]
        if find_kubectl(Path(self.folder)) is None:
            lacking.append("kubectl")
        if shutil.which("openssl") is None:
            lacking.append("openssl (on PATH)")
        if lacking:
            raise MisconfiguredError(f"KUBEBUILDER_ASSETS={self.folder}: no {', '.join(lacking)} there")
        return None

    def prepare(self) -> None:
        pass

    @contextlib.contextmanager
    def start(self) -> Iterator[Server]:
        folder = Path(self.folder or "")
        kubectl = find_kubectl(folder)
        assert kubectl, "start() without asking obstacle()"
        controllers = (folder / "kube-controller-manager").exists()
        options = ["--control-plane-only", *(["--with-controllers"] if controllers else [])]
        given = {"BIN": str(folder), "BUILD": "no", "KUBECTL": kubectl, "KCM_ARGS": CONTROLLERS}
        with hold("assets", options, given) as kubeconfig:
            yield Server(kubeconfig, kubectl, str(self), has_controllers=controllers)

    def __str__(self) -> str:
        return f"KUBEBUILDER_ASSETS={self.folder}"


@dataclass(frozen=True)
class Kind:
    """kind, where a docker daemon answers."""

    def obstacle(self) -> str | None:
        if shutil.which("kind") is None:
            return "kind is not installed"
        if shutil.which("docker") is None or not succeeds("docker", "info"):
            return "docker does not answer"
        if find_kubectl() is None:
            return "there is no kubectl for kind"
        return None

    def prepare(self) -> None:
        pass

    @contextlib.contextmanager
    def start(self) -> Iterator[Server]:
        kubectl = find_kubectl()
        assert kubectl, "start() without asking obstacle()"
        with hold("kind", ["--kind"], {}) as kubeconfig:
            yield Server(kubeconfig, kubectl, str(self), runs_pods=True)

    def __str__(self) -> str:
        return "kind"


@dataclass(frozen=True)
class OwnBuild:
    """Our own programs, from pinned Go modules, built once into the user's cache folder."""

    kubelet: bool
    """Also a node that runs pods: needs root."""

    def obstacle(self) -> str | None:
        if platform.system() != "Linux":
            return "our own build runs on Linux only"
        if self.kubelet and os.geteuid() != 0:
            return "our own node needs root"
        if self.kubelet and platform.machine() != "x86_64":
            return "our own node's images are for amd64"
        if shutil.which("bash") is None:
            return "there is no bash"
        lacking = subprocess.run(
            [str(SCRIPTS / "build"), "--missing", *([] if self.kubelet else ["control-plane"])],
            capture_output=True,
            text=True,
            check=False,
            env=script_environment({}),
        )
        names = sorted({line.split()[0] for line in lacking.stdout.splitlines()})
        return f"our own build needs {', '.join(names)}" if names else None

    def prepare(self) -> None:
        run_script("build", *([] if self.kubelet else ["control-plane"]))
        if self.kubelet:
            run_script("images", "build")

    @contextlib.contextmanager
    def start(self) -> Iterator[Server]:
        kubectl = str(cache_folder() / "bin" / "kubectl")
        if self.kubelet:
            with hold("cluster", [], {}) as kubeconfig:
                yield Server(kubeconfig, kubectl, str(self), runs_pods=True)
        else:
            with hold("api", ["--control-plane-only", "--with-controllers"], {"KCM_ARGS": CONTROLLERS}) as kubeconfig:
                yield Server(kubeconfig, kubectl, str(self))

    def __str__(self) -> str:
        return "our own build"


def choose(sources: tuple[Source, ...]) -> Source:
    """The first source that can serve here. Raises MisconfiguredError, or NoKubernetesError with all obstacles."""
    if os.environ.get("SKIP_CLUSTER"):
        raise NoKubernetesError("SKIP_CLUSTER is set")
    obstacles = []
    for source in sources:
        obstacle = source.obstacle()
        if obstacle is None:
            return source
        obstacles.append(obstacle)
    raise NoKubernetesError("; ".join(obstacles))


def api_server_sources() -> tuple[Source, ...]:
    return (Assets(), Existing(), Kind(), OwnBuild(kubelet=False))


def cluster_sources() -> tuple[Source, ...]:
    return (Existing(), Kind(), OwnBuild(kubelet=True))


def succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False
