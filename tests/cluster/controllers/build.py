"""Build controllers from their pinned Go modules, and take their definitions out of the same modules, once."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.controllers.catalogue import Controller
from tests.cluster.scripts import NoKubernetesError, cache_folder, last_line

MODULES = Path(__file__).parent / "modules"
WANTED = ("CustomResourceDefinition", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")

Object = dict[str, Any]


def folder() -> Path:
    """Where programs and definitions are kept between test runs."""
    return cache_folder() / "controllers"


def program(controller: Controller) -> Path:
    return folder() / controller.name


def definitions(controller: Controller) -> list[Object]:
    """Its CRDs and webhook configurations, as its module has them."""
    objects: list[Object] = json.loads(_definitions_file(controller).read_text())
    return objects


def _definitions_file(controller: Controller) -> Path:
    return folder() / f"{controller.name}.json"


def obstacle(controllers: Iterable[Controller]) -> str | None:
    """Why these cannot be built or run here; None if they can."""
    tools = {"openssl", "setpriv", "unshare"}
    if not all(is_built(controller) for controller in controllers):
        tools.add("go")
    lacking = sorted(tool for tool in tools if shutil.which(tool) is None)
    return f"the controllers need {', '.join(lacking)}" if lacking else None


def build(controllers: Iterable[Controller], kubectl: str) -> None:
    """What is missing: minutes for the first one. Raises NoKubernetesError."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "build.lock").open("w") as lock:  # two test runs that start together build once
        fcntl.flock(lock, fcntl.LOCK_EX)
        for controller in controllers:
            if not is_built(controller):
                _build(controller, kubectl)


def is_built(controller: Controller) -> bool:
    stamp = _stamp_file(controller)
    return stamp.is_file() and stamp.read_text() == _stamp(controller) and program(controller).exists()


def _build(controller: Controller, kubectl: str) -> None:
    _go(controller, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(program(controller)), controller.package)
    source = Path(json.loads(_go(controller, "mod", "download", "-json", controller.module))["Dir"])
    rendered = (_run([kubectl, "kustomize", str(source / part)], None) for part in controller.kustomizations)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = [each for text in rendered for each in yaml.load_all(text, loader) if each and each["kind"] in WANTED]
    _definitions_file(controller).write_text(json.dumps(without_descriptions(found)))
    _stamp_file(controller).write_text(_stamp(controller))


def without_descriptions(value: Any) -> Any:
    """Schemas without their texts: less than half of the bytes, and of the work for kubectl and the API server."""
    if isinstance(value, list):
        return [without_descriptions(each) for each in value]
    if isinstance(value, dict):
        kept = {name: each for name, each in value.items() if name != "description" or not isinstance(each, str)}
        return {name: without_descriptions(each) for name, each in kept.items()}
    return value


def _stamp_file(controller: Controller) -> Path:
    return folder() / f".{controller.name}"


def _stamp(controller: Controller) -> str:
    """Changes with everything that goes into the program and its definitions."""
    pins = (MODULES / controller.pinned_in / "go.sum").read_bytes()
    described = asdict(controller)
    parts = {name: described[name] for name in ("module", "package", "kustomizations")}
    return hashlib.sha256(pins + json.dumps(parts).encode()).hexdigest()[:16]


def _go(controller: Controller, *arguments: str) -> str:
    """$GO_P: how many compilers at once."""
    parallel = f" -p={os.environ['GO_P']}" if os.environ.get("GO_P") else ""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": f"-buildvcs=false{parallel}"}
    return _run(["go", *arguments], MODULES / controller.pinned_in, environment)


def _run(command: list[str], where: Path | None, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoKubernetesError(f"{' '.join(command)[:200]}: {last_line(done.stderr)}")
    return done.stdout
