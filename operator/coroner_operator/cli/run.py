"""``coroner run``: the operator in the foreground."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from coroner_operator.settings import SettingsError, load_settings


@click.command()
@click.option("--config", type=click.Path(path_type=Path), envvar="CORONER_CONFIG", help="YAML file with settings.")
@click.option("-n", "--namespaces", help="Only these, separated by commas; default: the whole cluster.")
@click.option("--kubeconfig", help="Default: $KUBECONFIG, the pod's service account, ~/.kube/config.")
@click.option("--rules", help="Rules file; default: the shipped pack.")
@click.option("--patience-image-pull", help="Report image and container configuration trouble after this. [10s]")
@click.option("--patience-container-creating", help="Report volume and sandbox trouble after this. [30s]")
@click.option("--patience-unschedulable", help="Report pods without a node after this. [60s]")
@click.option("--retention", help="Do not report older failures when they are first seen. [7d]")
@click.option("--recovery-after", help="A pod must be Ready this long to be well again. [10s]")
@click.option("--writers", help="Reports written at one time. [4]")
@click.option("--health-address", help='host:port of /healthz and /readyz; "" = none. [:8080]')
@click.option("--metrics-address", help='host:port of /metrics; "" = none. [:9090]')
@click.option("--log-format", help="text or json. [text]")
@click.option("--log-level", help="debug, info, warning or error. [info]")
def run(config: Path | None, **flags: Any) -> None:
    """Watch pods and keep FailureReports, until SIGTERM.

    Every setting can also be given in the environment (CORONER_LOG_FORMAT, CORONER_PATIENCE__IMAGE_PULL, …) and in
    a YAML file (log_format: json); flags win over the environment, and that over the file. Durations: 500ms, 10s, 7d.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    patience = {name: given.pop(f"patience_{name}") for name in _PATIENCE if f"patience_{name}" in given}
    try:
        settings = load_settings({**given, **({"patience": patience} if patience else {})}, config)
    except SettingsError as error:
        for mistake in error.mistakes:
            click.echo(f"coroner run: {mistake}", err=True)
        raise SystemExit(2) from None
    raise SystemExit(_run(settings))


_PATIENCE = ("image_pull", "container_creating", "unschedulable")


def _run(settings: Any) -> int:
    # Imported late: `coroner explain` and a mistake in the settings are not to wait for kopf.
    from coroner_categorizer import ConfigError, default, load  # noqa: PLC0415
    from coroner_operator.app import App  # noqa: PLC0415
    from coroner_operator.client import ClientError  # noqa: PLC0415
    from coroner_operator.logs import set_up_logs  # noqa: PLC0415

    set_up_logs(settings.log_format, settings.log_level)
    try:
        categorizer = load(settings.rules.read_text("utf-8")) if settings.rules else default()
        return asyncio.run(App(settings, categorizer).run())
    except ConfigError as error:
        mistakes = [f"{settings.rules}: {mistake}" for mistake in error.mistakes]
    except (ClientError, OSError, UnicodeDecodeError) as error:
        mistakes = [" ".join(str(error).split())]
    for mistake in mistakes:
        click.echo(f"coroner run: {mistake}", err=True)
    return 2
