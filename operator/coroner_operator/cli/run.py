"""``coroner run``: the operator in the foreground."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from coroner_operator.config.settings import SettingsError, load_settings
from coroner_operator.runtime.lazy_import import gc_paused


@click.command()
@click.option("--config", type=click.Path(path_type=Path), envvar="CORONER_CONFIG", help="YAML file with settings.")
@click.option("-n", "--namespaces", help="Only these, separated by commas; default: the whole cluster.")
@click.option("--excluded-namespaces", help="Not these, separated by commas.")
@click.option("--pod-selector", help="Only pods that match this label selector; default: all.")
@click.option("--events", help="false: record no Events. [true]")
@click.option("--kubeconfig", help="Default: $KUBECONFIG, ~/.kube/config, the service account of the pod.")
@click.option("--rules", help="Rules file; default: the default pack.")
@click.option("--redaction", help="File with patterns for the site's own secrets.")
@click.option("--presets", help="Controllers whose custom kinds are workloads, separated by commas: jobset,ray. [none]")
@click.option("--grace-period-image-pull", help="Report image pull and configuration problems after this. [10s]")
@click.option("--grace-period-container-creating", help="Report volume and sandbox problems after this. [30s]")
@click.option("--grace-period-unschedulable", help="Report unschedulable pods after this. [60s]")
@click.option("--grace-period-terminating", help="Report deleted pods that still exist after this. [2m]")
@click.option("--grace-period-never-ready", help="Report pods that never became ready after this. [10m]")
@click.option("--grace-period-sidecar", help="Report sidecars that run on after this. [5m]")
@click.option("--retention", help="Delete reports of deleted workloads after this. [7d]")
@click.option("--reports-per-namespace", help="With more, delete reports of deleted workloads earlier. [500]")
@click.option("--recovery-after", help="A pod must be Ready this long to count as recovered. [10s]")
@click.option("--writers", help="Reports written concurrently. [4]")
@click.option("--leader-election", help="true: replicas elect the active one by a Lease. [false]")
@click.option("--lease-name", help="Name of the Lease. [coroner]")
@click.option("--lease-namespace", help="Namespace of the Lease. Default: $POD_NAMESPACE, else that of the pod.")
@click.option("--identity", help="Name of this replica in the Lease. Default: the pod's name.")
@click.option("--health-address", help='host:port of /healthz and /readyz; "" = not served. [:8080]')
@click.option("--metrics-address", help='host:port of /metrics; "" = not served. [:9090]')
@click.option("--log-format", help="text or json. [text]")
@click.option("--log-level", help="debug, info, warning or error. [info]")
def run(config: Path | None, **flags: Any) -> None:
    """Watch pods and maintain FailureReports until SIGTERM.

    Every setting can also be given in the environment (CORONER_LOG_FORMAT, CORONER_GRACE_PERIODS__IMAGE_PULL, …) or in
    a YAML file (log_format: json). Flags override the environment, which overrides the file. Durations: 500ms, 1h30m,
    7d.
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


_GRACE_PERIODS = ("image_pull", "container_creating", "unschedulable", "terminating", "never_ready", "sidecar")


def _run(settings: Any) -> int:
    # Imported late: an error in the settings is reported without waiting for kopf.
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
