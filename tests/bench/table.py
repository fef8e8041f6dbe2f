"""Results as text: a row a figure, a column a run, the target beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True)
class Row:
    what: str
    unit: str = ""
    """"" = a count."""
    target: float | None = None
    """To stay under this, in the row's unit."""
    grows: bool = False
    """Given as a ratio where sizes are compared."""


Run = Mapping[str, float | None]


def table(title: str, rows: Mapping[str, Row], runs: Sequence[Run], *, with_targets: bool = True) -> str:
    """``runs``: for each column its figures by the names of ``rows``."""
    width = max(len(row.what) for row in rows.values())
    head = "".join(f"{f'run {n}':>12}" for n in range(1, len(runs) + 1))
    lines = [f"{title:<{width + 2}}{head}{'      target' if with_targets else ''}"]
    for name, row in rows.items():
        cells = "".join(f"{_figure(run.get(name), row.unit):>12}" for run in runs)
        target = _target(row, [run.get(name) for run in runs]) if with_targets else ""
        lines.append(f"  {row.what:<{width}}{cells}{target}")
    return "\n".join(lines)


def growth(rows: Mapping[str, Row], before: Sequence[Run], after: Sequence[Run]) -> str:
    """By how much the means of the figures that grow have grown."""
    return ", ".join(
        f"{row.what} × {_mean(after, name) / base:.2f}"
        for name, row in rows.items()
        if row.grows and (base := _mean(before, name)) and None not in [run.get(name) for run in after]
    )


def _mean(runs: Sequence[Run], name: str) -> float:
    return fmean(run.get(name) or 0.0 for run in runs)


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if not unit else f"{value:.0f} {unit}" if unit in ("ms", "MB") else f"{value:.2f} {unit}"


def _target(row: Row, values: Sequence[float | None]) -> str:
    if row.target is None:
        return ""
    worst = max((value for value in values if value is not None), default=0.0)
    return f"      < {row.target:g} {row.unit}" + ("" if worst < row.target else "   MISSED")
