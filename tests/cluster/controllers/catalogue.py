"""The controllers that can run beside the test cluster, each from a pinned Go module (modules/*/go.mod)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Controller:
    """What it takes to build one and to run it as a process of this machine."""

    name: str
    pinned_in: str
    """Folder of modules/ whose go.mod pins its version."""
    module: str
    package: str
    """Of its main program."""
    health: str
    """URL that answers 200 once it works."""
    arguments: tuple[str, ...] = ()
    """May name {settings}, {kubeconfig} and {certificates}."""
    kustomizations: tuple[str, ...] = ()
    """Folders of the module: its CRDs and webhooks are taken from what they render, and nothing else."""
    left_out: frozenset[str] = frozenset()
    """Names of CRDs that are not wanted."""
    settings: str = ""
    """Text of its settings file; may name {certificates}."""
    environment: Mapping[str, str] = field(default_factory=dict)
    webhook_port: int = 0
    namespace: str = ""
    """Its own, where it needs one."""
    certificate_secret: str = ""
    """Where it looks for the certificate of its webhooks: a Secret in its namespace."""
    certificate_names: tuple[str, ...] = ()
    """DNS names by which it knows its certificate and its CA."""
    certificates_at: str = ""
    """Folder in which it insists on its certificates, whatever TMPDIR says: only its process sees them there."""


ADDRESS = "127.0.0.1"
"""Here the API server, a process of the same machine, reaches webhooks."""
NO_ELECTION = "leaderElection: {leaderElect: false}\n"

_CONTROLLERS = (
    Controller(
        name="jobset",
        pinned_in="controller-runtime-0.22",
        module="sigs.k8s.io/jobset",
        package="sigs.k8s.io/jobset",
        arguments=("--config={settings}",),
        kustomizations=("config/default",),
        settings="apiVersion: config.jobset.x-k8s.io/v1alpha1\nkind: Configuration\n"
        + NO_ELECTION
        + "internalCertManagement: {enable: false}\n"
        "health: {healthProbeBindAddress: '127.0.0.1:19001'}\nmetrics: {bindAddress: '0'}\n"
        f"webhook: {{port: 19101, host: '{ADDRESS}', certDir: '{{certificates}}'}}\n",
        webhook_port=19101,
        health="http://127.0.0.1:19001/readyz",
    ),
    Controller(
        name="lws",
        pinned_in="controller-runtime-0.22",
        module="sigs.k8s.io/lws",
        package="sigs.k8s.io/lws/cmd",
        arguments=("--config={settings}",),
        kustomizations=("config/default",),
        settings="apiVersion: config.lws.x-k8s.io/v1alpha1\nkind: Configuration\n"
        + NO_ELECTION
        + "internalCertManagement: {enable: false}\n"
        "health: {healthProbeBindAddress: '127.0.0.1:19002'}\nmetrics: {bindAddress: '0'}\n"
        f"webhook: {{port: 19102, host: '{ADDRESS}', certDir: '{{certificates}}'}}\n",
        webhook_port=19102,
        health="http://127.0.0.1:19002/readyz",
    ),
    Controller(
        name="kuberay",
        pinned_in="controller-runtime-0.22",
        module="github.com/ray-project/kuberay/ray-operator",
        package="github.com/ray-project/kuberay/ray-operator",
        arguments=("--metrics-addr=0", "--health-probe-bind-address=127.0.0.1:19003", "--enable-leader-election=false"),
        kustomizations=("config/crd",),
        # pods run what they are given: no init container and no probe waits for Ray
        environment={"ENABLE_INIT_CONTAINER_INJECTION": "false", "ENABLE_PROBES_INJECTION": "false"},
        health="http://127.0.0.1:19003/readyz",
    ),
    Controller(
        name="training-operator",
        pinned_in="controller-runtime-0.19",
        module="github.com/kubeflow/training-operator",
        package="github.com/kubeflow/training-operator/cmd/training-operator.v1",
        arguments=(
            "--metrics-bind-address=0",
            "--health-probe-bind-address=127.0.0.1:19006",
            "--webhook-server-port=19106",
            "--pytorch-init-container-image=busybox:1.36",
            "--pytorch-init-container-template-file={settings}",
            "--enable-scheme=pytorchjob",
        ),
        # Workers wait for the master's name. Not with nslookup as it ships: busybox's fails where one of the search domains does not know it.
        settings="- name: init-pytorch\n  image: '{{.InitContainerImage}}'\n"
        "  command: [sh, -c, 'until ping -c 1 -W 1 {{.MasterAddr}}; do sleep 1; done']\n",
        kustomizations=("manifests/base",),
        # of the MPIJob the MPI operator has a later version; there are no cases with the others
        left_out=frozenset(f"{each}jobs.kubeflow.org" for each in ("mpi", "tf", "xgboost", "paddle", "jax")),
        namespace="kubeflow",
        webhook_port=19106,
        certificate_secret="training-operator-webhook-cert",
        certificate_names=("training-operator.kubeflow.svc", "training-operator-ca"),
        certificates_at="/tmp/k8s-webhook-server/serving-certs",
        health="http://127.0.0.1:19006/readyz",
    ),
)
CONTROLLERS = {controller.name: controller for controller in _CONTROLLERS}


def selected() -> list[Controller]:
    """Those of $CONTROLLERS, separated by commas; by default all. Raises KeyError."""
    given = os.environ.get("CONTROLLERS")
    names = [name.strip() for name in given.split(",")] if given else list(CONTROLLERS)
    return [CONTROLLERS[name] for name in names]
