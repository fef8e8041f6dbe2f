"""A release of the chart on a real cluster: the real helm does it all."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chart.charts import CHART, Helm, Manifest, output_of
from tests.cluster.server import Server

NAME = "coroner"
NAMESPACE = "coroner-by-chart"
WAIT = ("--wait", "--timeout", "3m")


@dataclass(frozen=True)
class Release:
    """Always of one name in one namespace, so that its CRDs are its own however often it is installed."""

    server: Server
    helm: Helm
    image: str
    """As repository:tag, known to the nodes."""

    def run(self, *args: str, values: dict[str, Any] | None = None) -> str:
        """Standard output of helm. Raises HelmError."""
        options = ("-n", NAMESPACE, "--kubeconfig", str(self.server.kubeconfig))
        given = () if values is None else ("-f", "-")
        text = None if values is None else json.dumps({**self.image_values(), **values})
        # not from its cache: the cluster has changed since
        return output_of.__wrapped__((str(self.helm.program), *args, *options, *given), text)

    def image_values(self) -> dict[str, Any]:
        repository, _, tag = self.image.rpartition(":")
        return {"image": {"repository": repository, "tag": tag}}

    def install(self, chart: Path = CHART, *options: str, **values: Any) -> str:
        return self.run("install", NAME, str(chart), *(options or WAIT), values=values)

    def upgrade(self, chart: Path = CHART, **values: Any) -> str:
        return self.run("upgrade", NAME, str(chart), *WAIT, values=values)

    def uninstall(self) -> str:
        """Does nothing where it is not installed."""
        return self.run("uninstall", NAME, "--ignore-not-found", *WAIT)

    def pods(self) -> list[Manifest]:
        text = self.server.kubectl("get", "pods", "-n", NAMESPACE, "-l", f"app.kubernetes.io/name={NAME}", "-o", "json")
        pods: list[Manifest] = json.loads(text)["items"]
        return pods

    def log(self) -> str:
        return self.server.kubectl("logs", "-n", NAMESPACE, f"deployment/{NAME}", "--tail=-1")

    def state(self) -> str:
        """For whoever has to find out why it is not ready."""
        return self.server.kubectl("describe", "pods", "-n", NAMESPACE)
