"""Devices that a container holds and that their plugin or driver reports as unhealthy."""

from __future__ import annotations

from coroner_categorizer.findings.finding import Excerpt
from coroner_categorizer.objects.pod import ContainerStatus

_DEVICES_LIMIT = 8  # a node has up to 8 GPUs; no more fit in one line of evidence


def unhealthy_devices(status: ContainerStatus, path: str) -> Excerpt | None:
    """The unhealthy devices of the container; None where there is none. ``path``: of its status in the pod.

    ``Unknown`` is no evidence: it is reported while the plugin restarts, and where a driver cannot tell.
    """
    devices = [
        " ".join(filter(None, (resource.name, device.resourceID, f"({device.message})" if device.message else "")))
        for resource in status.allocatedResourcesStatus
        for device in resource.resources
        if device.health == "Unhealthy"
    ]
    if not devices:
        return None
    return Excerpt(f"{path}.allocatedResourcesStatus", f"Unhealthy: {', '.join(devices[:_DEVICES_LIMIT])}")
