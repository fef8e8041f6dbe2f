"""Which reports are meant, by the options that ``why`` and ``top`` share, and in which order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, get_args

import click

from coroner_operator.cli.connection import ConnectionOptions
from coroner_operator.cli.errors import BadInput
from coroner_operator.config.label_selector import LABEL_VALUE
from coroner_operator.model.report import Report, State
from coroner_operator.model.report_codec import GROUP

_CATEGORY = re.compile(rf"{LABEL_VALUE}(?:/{LABEL_VALUE})?")

FAILING_STATES: tuple[State, ...] = ("Failing", "Failed")


class Selection(NamedTuple):
    namespace: str | None
    """None: that of the context."""
    all_namespaces: bool
    labels: str
    """A label selector; "" = any."""
    category: str
    """``resources`` or ``resources/oom-killed``; "" = any."""
    newer_than: datetime | None
    """Of the newest failure."""
    states: tuple[State, ...]
    connection: ConnectionOptions

    @property
    def label_selector(self) -> str:
        """For the API server. What has a category or a state by its labels is checked again: they follow the status."""
        category, _, subcategory = self.category.partition("/")
        parts = [self.labels, f"{GROUP}/category={category}" if category else ""]
        parts += [f"{GROUP}/subcategory={subcategory}" if subcategory else ""]
        if set(self.states) != set(get_args(State)):
            parts.append(f"{GROUP}/state in ({','.join(self.states)})")
        return ",".join(filter(None, parts))

    def matches(self, report: Report) -> bool:
        if report.state not in self.states:
            return False
        if self.newer_than is not None and (report.last_seen is None or report.last_seen < self.newer_than):
            return False
        verdict = report.current.verdict if report.current else None
        return not self.category or (verdict is not None and self.category in (verdict.category, verdict.name))

    def select(self, reports: Sequence[Report]) -> list[Report]:
        """The newest failure first."""
        return newest_first(filter(self.matches, reports))


def newest_first(reports: Iterable[Report]) -> list[Report]:
    """By their newest failure; of the same second, by the name of the workload."""
    return sorted(reports, key=lambda r: (-r.last_seen.timestamp() if r.last_seen else 0.0, str(r.workload)))


_OPTIONS = (
    click.option("-n", "--namespace", metavar="NS", help="Namespace in the cluster. Default: that of the context."),
    click.option("-A", "--all-namespaces", is_flag=True, help="All namespaces."),
    click.option("-l", "--selector", metavar="LABELS", default="", help="Only reports with these labels."),
    click.option("--category", metavar="NAME", default="", help="Only this category: resources, resources/oom-killed."),
    click.option("--since", metavar="TIME", help="Only workloads whose last failure is newer than this: 90m, 24h, 7d."),
    click.option(
        "--state",
        "states",
        type=click.Choice(get_args(State), case_sensitive=False),
        multiple=True,
        default=FAILING_STATES,
        show_default=True,
        help="Only workloads in this state; may be repeated.",
    ),
    click.option("--context", metavar="NAME", help="Context of the kubeconfig. Default: its current context."),
    click.option("--kubeconfig", metavar="FILE", help="Default: $KUBECONFIG, else ~/.kube/config."),
)


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command gets them as keywords, for ``selection``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def selection(
    *,
    namespace: str | None,
    all_namespaces: bool,
    selector: str,
    category: str,
    since: str | None,
    states: tuple[State, ...],
    context: str | None,
    kubeconfig: str | None,
) -> Selection:
    """Raises BadInput."""
    if all_namespaces and namespace is not None:
        raise BadInput("", "-A and -n exclude each other", "leave out one of them")
    if category and not _CATEGORY.fullmatch(category):
        raise BadInput("--category", f"{category!r} cannot be a category", "write CATEGORY or CATEGORY/SUBCATEGORY")
    newer_than = None if since is None else _before(since)
    connection = ConnectionOptions(context, kubeconfig)
    return Selection(namespace, all_namespaces, selector, category, newer_than, states, connection)


def _before(since: str) -> datetime:
    # Imported late: reading the settings' types takes a tenth of a second.
    from coroner_operator.config.durations import parse_duration  # noqa: PLC0415

    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration(since))
    except (ValueError, OverflowError) as error:
        raise BadInput("--since", str(error)) from error
