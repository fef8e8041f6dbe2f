"""How long something may last before it is a failure."""

from __future__ import annotations

import msgspec

# apps/v1 types.go, DeploymentSpec.progressDeadlineSeconds: "Defaults to 600s".
PROGRESS_DEADLINE = 600.0


class Patience(msgspec.Struct, frozen=True):
    """In seconds."""

    terminating: float = 120.0
    """After a pod's grace period: kubelets unmount volumes and clean up within it, and are restarted in less."""
    never_ready: float = PROGRESS_DEADLINE
    """From the start of a pod's last container, where no Deployment says otherwise."""
    sidecar: float = 300.0
    """After the last of the other containers has completed: many wrappers end their proxy only after some retries."""


DEFAULT_PATIENCE = Patience()
