"""The chart, rendered by the real helm programs."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "coroner"
MONITORING = tuple(f"monitoring.coreos.com/v1/{kind}" for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule"))
OLDEST, NEWEST = "1.29.0", "1.36.0"

Manifest = dict[str, Any]
_YamlLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a rendering has 200 KB, mostly the CRD


def parsed(text: str) -> list[Manifest]:
    """The objects of a YAML stream; empty documents are left out."""
    return [each for each in yaml.load_all(text, _YamlLoader) if each]


class HelmError(Exception):
    """helm failed; the text is its output."""


def find_helm(major: int) -> Path:
    """A helm program of this major version. Skips if there is none, or fails with REQUIRE_HELM=1."""
    found = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "fetch_helm.py"), str(major)], capture_output=True, text=True, check=False
    )
    if found.returncode == 0:
        return Path(found.stdout.strip())
    skip_or_fail("REQUIRE_HELM", found.stderr.strip().splitlines()[-1])


def skip_or_fail(variable: str, reason: str) -> NoReturn:
    if os.environ.get(variable):
        pytest.fail(f"{variable} is set: {reason}", pytrace=False)
    pytest.skip(reason)


@functools.cache  # many tests use the same rendering; the output depends only on the arguments
def output_of(command: tuple[str, ...], given: str | None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, input=given, timeout=300)
    if done.returncode != 0:
        raise HelmError(done.stderr + done.stdout)
    return done.stdout


@dataclass(frozen=True)
class Helm:
    program: Path

    def run(self, *args: str, input: str | None = None) -> str:  # noqa: A002 - named as in subprocess
        return output_of((str(self.program), *args), input)

    def text(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        release: str = "coroner",
        namespace: str = "coroner",
        kube_version: str = NEWEST,
        apis: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> str:
        """The output of `helm template`. Raises HelmError."""
        known = [option for api in apis for option in ("--api-versions", api)]
        command = ["template", release, str(CHART), "-n", namespace, "--kube-version", kube_version, *known, *options]
        return self.run(*command, "-f", "-", input=json.dumps(values or {}))

    def render(self, values: Mapping[str, Any] | None = None, **how: Any) -> list[Manifest]:
        """The objects of `helm template`; arguments as for text()."""
        return parsed(self.text(values, **how))

    def notes(self, values: Mapping[str, Any] | None = None, *, namespace: str = "coroner") -> str:
        """NOTES.txt; only an install with --dry-run renders it."""
        dry = ["install", "coroner", str(CHART), "-n", namespace, "--dry-run=client", "-f", "-"]
        return self.run(*dry, input=json.dumps(values or {})).partition("NOTES:\n")[2]


def of_kind(objects: list[Manifest], kind: str) -> list[Manifest]:
    return [each for each in objects if each["kind"] == kind]


def only(objects: list[Manifest], kind: str) -> Manifest:
    """The only object of this kind."""
    (found,) = of_kind(objects, kind)
    return found


def pod_specs(objects: list[Manifest]) -> dict[str, Manifest]:
    """Every pod spec of the objects, by kind and name."""
    specs = {}
    for each in objects:
        name = f"{each['kind']}/{each['metadata']['name']}"
        if each["kind"] == "Pod":
            specs[name] = each["spec"]
        elif "template" in each.get("spec", {}):
            specs[name] = each["spec"]["template"]["spec"]
    return specs


def settings_of(objects: list[Manifest]) -> dict[str, Any]:
    """The operator's settings file."""
    maps = [each.get("data", {}) for each in of_kind(objects, "ConfigMap")]
    (text,) = (data["coroner.yaml"] for data in maps if "coroner.yaml" in data)
    settings: dict[str, Any] = yaml.safe_load(text)
    return settings
