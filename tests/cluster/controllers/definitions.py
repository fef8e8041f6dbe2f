"""What a controller installs, changed so that it works as a process beside the cluster."""

from __future__ import annotations

import base64
import copy
from typing import Any

from tests.cluster.controllers.catalogue import ADDRESS, Controller

Object = dict[str, Any]

LABEL = "coroner-test/controller"
"""On all that belongs to a controller; its value is the controller's name."""
CALLED_FOR = {"coroner-test/webhooks": "called"}
"""Label of the namespaces in which webhooks on pods and other built-in kinds are called: nobody else waits for a controller."""
BUILT_IN_GROUPS = {"", "apps", "batch"}


def installed(controller: Controller, definitions: list[Object], ca: str) -> list[Object]:
    """CRDs without conversion, and webhooks that the API server calls at this machine's address."""
    objects = []
    for each in copy.deepcopy(definitions):
        if each["metadata"]["name"] in controller.left_out:
            continue
        each["metadata"].setdefault("labels", {})[LABEL] = controller.name
        each.pop("status", None)
        if each["kind"] == "CustomResourceDefinition":
            each["spec"].pop("conversion", None)
            objects.append(each)
        elif controller.webhook_port:
            each["metadata"].pop("annotations", None)
            for webhook in each["webhooks"]:
                _call_here(webhook, controller.webhook_port, ca)
            objects.append(each)
    return objects


def _call_here(webhook: Object, port: int, ca: str) -> None:
    path = webhook["clientConfig"]["service"].get("path", "/")
    bundle = base64.b64encode(ca.encode()).decode()
    webhook["clientConfig"] = {"url": f"https://{ADDRESS}:{port}{path}", "caBundle": bundle}
    if any(BUILT_IN_GROUPS & set(rule["apiGroups"]) for rule in webhook.get("rules", [])):
        webhook["namespaceSelector"] = {"matchLabels": CALLED_FOR}
