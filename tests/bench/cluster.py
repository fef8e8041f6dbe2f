"""``make bench-cluster``: the operator on a real API server, ten thousand pods at its start, then a burst of failures.

Times are this machine's, and API server, operator and whoever measures share it. Only wrong counts end with status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.api import Api
from tests.bench.control_plane import ControlPlane, embedded_api_server, real_api_server
from tests.bench.population import FAILED_WORKLOADS, Population
from tests.bench.reports import Reports
from tests.bench.table import growth, table
from tests.bench.trial import BURST, START, Figures, Trial
from tests.cluster.scripts import NoKubernetesError
from tests.cluster.sources import MisconfiguredError
from tests.support.operator_process import OperatorProcess
from tests.support.processes import ProgramEndedError

TARGETED = 10_000  # pods: what the targets are for
FILLING = 48  # requests at one time while the cluster is filled


@dataclass
class Bench:
    """One API server, filled, and what was found out on it."""

    options: argparse.Namespace
    plane: ControlPlane
    population: Population
    folder: Path
    wrong: list[str] = field(default_factory=list)
    first: list[Figures] = field(default_factory=list)
    """Starts with the smallest number of pods."""

    async def run(self) -> None:
        options, population = self.options, self.population
        self.say(f"API server: {self.plane.origin}; {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")
        began = time.monotonic()
        await population.found()
        await population.add_failed(options.failed)
        for _ in range(options.bursts):
            await population.add_to_fail(options.burst, options.workloads)
        for pods in options.pods:
            await population.grow(pods)
            size = await population.pod_size()
            self.say(
                f"{population.well:,} healthy pods of {size / 1000:.1f} KB and {len(population.failed)} failed ones of "
                f"{FAILED_WORKLOADS} Jobs are there after {time.monotonic() - began:.0f} s"
            )
            await self._measure(pods, with_bursts=pods == options.pods[-1])

    def say(self, *texts: str) -> None:
        print(*texts, sep="\n", flush=True)

    async def _measure(self, pods: int, *, with_bursts: bool) -> None:
        starts: list[Figures] = []
        bursts: list[Figures] = []
        start_calls: Counter[str] = Counter()
        burst_calls: Counter[str] = Counter()
        options = self.options
        for number in range(1, options.starts + 1):
            is_last = number == options.starts
            async with self._operator(f"{pods}.{number}") as trial:
                starts.append(await trial.start())
                start_calls = trial.calls
                if is_last and with_bursts:
                    for victims in self.population.to_fail:
                        bursts.append(await trial.burst(victims, options.workloads, options.connections))
                        burst_calls = trial.calls
        self.say(
            table(f"Start with {pods:,} pods", START, starts, with_targets=pods == TARGETED), _summary(start_calls)
        )
        if self.first:
            self.say(f"{pods:,} pods against {options.pods[0]:,}: {growth(START, self.first, starts)}\n")
        self.first = self.first or starts
        if bursts:
            title = f"{options.burst:,} failures of {options.workloads} Jobs"
            self.say(table(title, BURST, bursts), _summary(burst_calls))

    @asynccontextmanager
    async def _operator(self, name: str) -> AsyncIterator[Trial]:
        """An operator that finds no report."""
        await self.population.delete_reports()
        profile = self.options.profile
        profiling = ("-m", "cProfile", "-o", f"{profile}.{name}") if profile else ()  # makes everything slower
        async with Reports.watched(self.population.api) as reports:
            log = self.folder / "operator.log"
            # settings come from the environment (CORONER_…)
            operator = OperatorProcess(self.plane.kubeconfig, log, environment=os.environ, python_options=profiling)
            trial = Trial(operator, self.plane, self.population, reports)
            try:
                yield trial
            finally:
                operator.end()
                self.wrong += trial.wrong


def _summary(calls: Counter[str]) -> str:
    return f"  its calls: {', '.join(f'{count} {what}' for what, count in calls.most_common())}\n" if calls else ""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-cluster", description=__doc__)
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--pods", nargs="+", help="healthy pods; several numbers: one after the other", **number)  # type: ignore[arg-type]
    parser.add_argument("--failed", help="pods that failed before the operator starts", **number)  # type: ignore[arg-type]
    parser.add_argument("--burst", help="failures of a burst; 0 = no burst", **number)  # type: ignore[arg-type]
    parser.add_argument("--workloads", default=50, help="Jobs of a burst", **number)  # type: ignore[arg-type]
    parser.add_argument("--connections", default=8, help="connections that update statuses", **number)  # type: ignore[arg-type]
    parser.add_argument("--starts", default=2, help="how often the operator is started", **number)  # type: ignore[arg-type]
    parser.add_argument("--bursts", default=2, help="how many bursts", **number)  # type: ignore[arg-type]
    parser.add_argument("--embedded", action="store_true", help="a quick look on the embedded API server")
    parser.add_argument("--profile", metavar="FILE", help="run the operator under cProfile; writes FILE.PODS.START")
    given = parser.parse_args()
    given.pods = sorted(given.pods or [1_000 if given.embedded else 10_000])
    given.failed = (100 if given.embedded else 200) if given.failed is None else given.failed
    given.burst = (400 if given.embedded else 2_000) if given.burst is None else given.burst
    given.bursts = given.bursts if given.burst else 0
    return given


async def measure(given: argparse.Namespace, plane: ControlPlane, folder: Path) -> list[str]:
    """What was counted wrongly."""
    async with Api.connect(plane.kubeconfig, FILLING + given.connections) as api:
        bench = Bench(given, plane, Population(api, FILLING), folder)
        await bench.run()
        return bench.wrong


def main() -> int:
    given = options()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # as Ctrl-C: all is ended
    start = embedded_api_server if given.embedded else real_api_server
    try:
        with tempfile.TemporaryDirectory(prefix="coroner-bench-") as folder, start(Path(folder)) as plane:
            wrong = asyncio.run(measure(given, plane, Path(folder)))
    except (NoKubernetesError, MisconfiguredError) as reason:
        print(f"bench-cluster: no API server: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except ProgramEndedError as reason:
        wrong = [str(reason)]
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
