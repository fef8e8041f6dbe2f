"""What a user would see: printed by kubectl, or from the API's own tables if kubectl is not installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import yaml

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_REPORTS = "apis/coroner.dev/v1alpha1"


class Output:
    """Prints the reports of one API server."""

    def __init__(self, url: str, kubeconfig: Path) -> None:
        self._url = url
        self._kubeconfig = kubeconfig
        self._kubectl = shutil.which("kubectl")

    def say(self, text: str) -> None:
        print(text, flush=True)

    def heading(self, text: str) -> None:
        self.say(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}")

    def table(self) -> None:
        """``kubectl get failurereports -A``."""
        self.heading("$ kubectl get failurereports -A")
        if not self._through_kubectl("get", "failurereports", "-A"):
            self._print_table(f"{_REPORTS}/failurereports")

    def describe(self, namespace: str, name: str) -> None:
        """``kubectl describe`` of one report."""
        self.heading(f"$ kubectl describe failurereport -n {namespace} {name}")
        if not self._through_kubectl("describe", "failurereport", "-n", namespace, name):
            report = self._get(f"{_REPORTS}/namespaces/{namespace}/failurereports/{name}", "application/json")
            report["metadata"].pop("managedFields", None)
            self.say(yaml.safe_dump(report, sort_keys=False, allow_unicode=True, width=110).rstrip())

    def explain(self, *files: Path) -> None:
        """``coroner explain`` on recorded files, without a cluster."""
        shown = " ".join(os.path.relpath(f) for f in files)
        self.heading(f"$ coroner explain {shown}")
        command = [sys.executable, "-m", "coroner_operator", "explain", *map(str, files)]
        subprocess.run(command, check=False)  # exit status 1 is expected: something is failing

    def _through_kubectl(self, *args: str) -> bool:
        """Whether kubectl is installed and printed it."""
        if not self._kubectl:
            return False
        command = [self._kubectl, "--kubeconfig", str(self._kubeconfig), *args]
        completed = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        if completed.returncode != 0:
            return False
        self.say(completed.stdout.rstrip())
        return True

    def _print_table(self, path: str) -> None:
        table = self._get(path, _TABLE)
        shown = [i for i, column in enumerate(table["columnDefinitions"]) if not column.get("priority")]
        lines = [["NAMESPACE", *(table["columnDefinitions"][i]["name"].upper() for i in shown)]]
        for row in table["rows"]:
            lines.append([row["object"]["metadata"]["namespace"], *(str(row["cells"][i]) for i in shown)])
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        for line in lines:
            self.say("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    def _get(self, path: str, accept: str) -> dict[str, Any]:
        request = urllib.request.Request(f"{self._url}/{path}", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=30) as response:
            body: dict[str, Any] = json.load(response)
            return body
