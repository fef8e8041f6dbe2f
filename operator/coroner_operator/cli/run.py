"""``coroner run``: the operator in the foreground."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from coroner_operator.cli.lazy_import import gc_paused
from coroner_operator.config.settings import SettingsError, load_settings


@click.command()
@click.option("--config", type=click.Path(path_type=Path), envvar="CORONER_CONFIG", help="YAML file with settings.")
@click.option("-n", "--namespaces", help="Only these, separated by commas; default: the whole cluster.")
@click.option("--kubeconfig", help="Default: $KUBECONFIG, the pod's service account, ~/.kube/config.")
@click.option("--rules", help="Rules file; default: the shipped pack.")
@click.option("--redaction", help="File with patterns for your own secrets.")
@click.option("--grace-period-image-pull", help="Report image and container configuration trouble after this. [10s]")
@click.option("--grace-period-container-creating", help="Report volume and sandbox trouble after this. [30s]")
@click.option("--grace-period-unschedulable", help="Report pods without a node after this. [60s]")
@click.option("--retention", help="Reports of workloads that are gone are deleted after this. [7d]")
@click.option("--reports-per-namespace", help="With more, reports of gone workloads are deleted earlier. [500]")
@click.option("--recovery-after", help="A pod must be Ready this long to be well again. [10s]")
@click.option("--writers", help="Reports written at one time. [4]")
@click.option("--leader-election", help="true: replicas agree by a Lease on the one that works. [false]")
@click.option("--lease-name", help="[coroner]")
@click.option("--lease-namespace", help="Default: $POD_NAMESPACE, the pod's own.")
@click.option("--identity", help="Default: the pod's name.")
@click.option("--health-address", help='host:port of /healthz and /readyz; "" = none. [:8080]')
@click.option("--metrics-address", help='host:port of /metrics; "" = none. [:9090]')
@click.option("--log-format", help="text or json. [text]")
@click.option("--log-level", help="debug, info, warning or error. [info]")
def run(config: Path | None, **flags: Any) -> None:
    """Watch pods and keep FailureReports, until SIGTERM.

    Every setting can also be given in the environment (CORONER_LOG_FORMAT, CORONER_GRACE_PERIODS__IMAGE_PULL, …) and in
    a YAML file (log_format: json); flags win over the environment, and that over the file. Durations: 500ms, 10s, 7d.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    grace_periods = {
        name: given.pop(f"grace_period_{name}") for name in _GRACE_PERIODS if f"grace_period_{name}" in given
    }
    try:
        settings = load_settings({**given, **({"grace_periods": grace_periods} if grace_periods else {})}, config)
    except SettingsError as error:
        for line in error.errors:
            click.echo(f"coroner run: {line}", err=True)
        raise SystemExit(2) from None
    raise SystemExit(_run(settings))


_GRACE_PERIODS = ("image_pull", "container_creating", "unschedulable")


def _run(settings: Any) -> int:
    # Imported late: `coroner explain` and a mistake in the settings are not to wait for kopf.
    with gc_paused():
        from coroner_operator.config.rules_files import InvalidRules, RuleFiles  # noqa: PLC0415
        from coroner_operator.kube.client import ClientError  # noqa: PLC0415
        from coroner_operator.runtime.kopf_app import App  # noqa: PLC0415
        from coroner_operator.telemetry.log_format import configure_logging  # noqa: PLC0415

    configure_logging(settings.log_format, settings.log_level)
    try:
        contents = RuleFiles(settings.rules, settings.redaction).read()
        return asyncio.run(App(settings, contents.compile(), contents).run())
    except InvalidRules as error:
        lines = list(error.errors)
    except (ClientError, OSError) as error:
        lines = [" ".join(str(error).split())]
    for line in lines:
        click.echo(f"coroner run: {line}", err=True)
    return 2
