"""Decides what becomes of each failed workload, from its FailureReport: docs/for-controllers.md.

Needs the official client (``pip install kubernetes``), and prints its decisions.
"""

from __future__ import annotations

from typing import Any

from kubernetes import client, config, watch

REPORTS = {"group": "coroner.dev", "version": "v1alpha1", "plural": "failurereports"}
GONE = 410


class RetryController:
    def __init__(self, api: client.CustomObjectsApi) -> None:
        self._api = api
        self._decided: dict[str, set[str]] = {}
        """By the UID of the report, the UIDs of the pods that were decided on."""

    def run(self) -> None:
        """LIST, then WATCH from there; again where the API server has forgotten that version."""
        while True:
            listed = self._api.list_cluster_custom_object(**REPORTS)
            for report in listed["items"]:
                self.act(report)
            try:
                self._watch(listed["metadata"]["resourceVersion"])
            except client.ApiException as error:
                if error.status != GONE:
                    raise

    def _watch(self, version: str) -> None:
        changes = watch.Watch()
        for change in changes.stream(self._api.list_cluster_custom_object, **REPORTS, resource_version=version):
            if change["type"] == "DELETED":
                self._decided.pop(change["object"]["metadata"]["uid"], None)
            else:
                self.act(change["object"])

    def act(self, report: dict[str, Any]) -> None:
        """Decide once on each pod, however often its report is delivered."""
        metadata, status = report["metadata"], report.get("status", {})
        decision = decide(status)
        if decision is None:
            return
        pod, decided = status["observedPod"]["uid"], self._decided.setdefault(metadata["uid"], set())
        if pod in decided:
            return
        decided.add(pod)
        workload = report["spec"]["workload"]["display"]
        print(f"{metadata['namespace']}/{workload}: {decision} ({status.get('failure', '')})", flush=True)


def decide(status: dict[str, Any]) -> str | None:
    """What becomes of a workload that fails; None: the verdict may still change, or there is nothing to do."""
    if not status.get("final") or status["state"] not in ("Failing", "Failed"):
        return None
    is_known = status["confidence"] != "Unknown"
    if is_known and status["retry"] == "NeedsChange":
        return "stop"
    if status["state"] == "Failing":  # its own controller may retry it
        return None
    return "retry" if is_known and status["retry"] == "MayRecover" else "ask"


if __name__ == "__main__":
    config.load_kube_config()
    RetryController(client.CustomObjectsApi()).run()
