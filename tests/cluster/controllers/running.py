"""Run controllers against the test cluster, each as a process of this machine."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cluster.controllers import build
from tests.cluster.controllers.catalogue import Controller
from tests.cluster.controllers.certificates import FILES, make_certificates
from tests.cluster.controllers.definitions import LABEL, installed
from tests.cluster.server import Server
from tests.support.processes import Program
from tests.support.waiting import wait_for

START_SECONDS = 60
KUBECTL_SECONDS = 180
"""Megabytes of CRDs, on a machine that may be busy."""
WEBHOOKS = "mutatingwebhookconfigurations,validatingwebhookconfigurations"

Object = dict[str, Any]


@contextlib.contextmanager
def running(server: Server, controllers: Sequence[Controller], folder: Path) -> Iterator[dict[str, Program]]:
    """Their definitions are installed and their processes answer; processes and webhooks are gone afterwards.

    FOLDER: for certificates, settings and logs. The processes also end with this one, however that ends.
    """
    certificates = folder / "tmp" / "k8s-webhook-server" / "serving-certs"  # controller-runtime's default, below TMPDIR
    ca = make_certificates(certificates, [name for each in controllers for name in each.certificate_names])
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ports())
        stack.callback(_remove_webhooks, server)
        _install(server, controllers, ca, certificates)
        started = {}
        for controller in controllers:
            command = _command(controller, server.kubeconfig, folder, certificates)
            command = stack.enter_context(_seeing(controller, certificates, command))
            started[controller.name] = process = Program(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                log=folder / f"{controller.name}.log",
                environment=_environment(controller, server, folder),
                folder=folder,
            )
            stack.callback(process.end)
        for controller in controllers:
            process = started[controller.name]
            wait_for(lambda c=controller, p=process: _answers(c, p), START_SECONDS, f"{controller.name} answers")  # type: ignore[misc]
        yield started


@contextlib.contextmanager
def _ports() -> Iterator[None]:
    """Wait until no other test run of this machine has the controllers' ports."""
    with (Path(tempfile.gettempdir()) / "coroner-controllers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(server: Server, controllers: Sequence[Controller], ca: str, certificates: Path) -> None:
    objects = [each for c in controllers for each in installed(c, build.definitions(c), ca)]
    for controller in controllers:
        if controller.namespace:
            objects.insert(0, _namespace(controller))
        if controller.certificate_secret:
            objects.append(_secret(controller, certificates))
    webhooks = [each for each in objects if each["kind"].endswith("WebhookConfiguration")]
    first = [each for each in objects if each not in webhooks]
    _apply(server, first)
    wait_for(lambda: _all_established(server), START_SECONDS, "the controllers' CRDs are established")
    _apply(server, webhooks)


def _apply(server: Server, objects: list[Object]) -> None:
    document = {"apiVersion": "v1", "kind": "List", "items": objects}
    options = ("--server-side", "--force-conflicts", "--validate=false")
    server.kubectl("apply", *options, "-f", "-", input=json.dumps(document), timeout=KUBECTL_SECONDS)


def _namespace(controller: Controller) -> Object:
    metadata = {"name": controller.namespace, "labels": {LABEL: controller.name}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _secret(controller: Controller, certificates: Path) -> Object:
    metadata = {"name": controller.certificate_secret, "namespace": controller.namespace}
    data = {name: (certificates / name).read_text() for name in FILES}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def _all_established(server: Server) -> bool:
    """`kubectl wait` fails on a CRD that has no status yet."""
    established = '{{range .status.conditions}}{{if eq .type "Established"}}{{.status}}{{end}}{{end}}'
    template = "{{range .items}}" + established + '{{"\\n"}}{{end}}'
    text = server.kubectl("get", "crd", "-l", LABEL, "-o", f"go-template={template}")
    return set(text.splitlines()) == {"True"}


def _remove_webhooks(server: Server) -> None:
    """Nothing may wait for a process that has ended. CRDs stay: to delete them the controllers would have to go on."""
    server.kubectl("delete", WEBHOOKS, "-l", LABEL, "--ignore-not-found", "--wait=false", timeout=KUBECTL_SECONDS)


def _command(controller: Controller, kubeconfig: Path, folder: Path, certificates: Path) -> list[str]:
    settings = folder / f"{controller.name}.yaml"
    values = {"{settings}": str(settings), "{kubeconfig}": str(kubeconfig), "{certificates}": str(certificates)}
    settings.write_text(_filled(controller.settings, values))
    return [str(build.program(controller)), *(_filled(argument, values) for argument in controller.arguments)]


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Not str.format: YAML and templates have braces of their own."""
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _environment(controller: Controller, server: Server, folder: Path) -> dict[str, str]:
    own = {"KUBECONFIG": str(server.kubeconfig), "TMPDIR": str(folder / "tmp")}
    return {**os.environ, **own, **controller.environment}


@contextlib.contextmanager
def _seeing(controller: Controller, certificates: Path, command: list[str]) -> Iterator[list[str]]:
    """The command in a mount namespace where the certificates are where the controller insists on them."""
    if not controller.certificates_at:
        yield command
        return
    at = Path(controller.certificates_at)
    with _mount_point(at):
        yield ["unshare", "--mount", "sh", "-c", f'mount --bind "$0" {at} && exec "$@"', str(certificates), *command]


@contextlib.contextmanager
def _mount_point(folder: Path) -> Iterator[None]:
    """A folder to mount over; it and its parent are removed at the end, if nothing is in them."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()
            folder.parent.rmdir()


def _answers(controller: Controller, process: Program) -> bool:
    """Raises ProgramEndedError."""
    process.check()
    try:
        with urllib.request.urlopen(controller.health, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
