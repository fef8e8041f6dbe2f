"""Operators to run against a server: in this loop, or as the process that a person would start."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from coroner_operator.config.rules_files import RuleFiles
from coroner_operator.config.settings import load_settings
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import Client, load_configuration
from coroner_operator.runtime.engine import Engine
from tests.support.default_pack import CATEGORIZER
from tests.support.processes import ForkedProgram, Program, own_environment

ROOT = Path(__file__).parents[2]
QUICK = {
    "batch_window": 0.02,
    "write_interval": 0.1,
    "label_interval": 0.1,
    "recovery_after": 0.3,
    "grace_periods": {"image_pull": 0.2, "container_creating": 0.3, "unschedulable": 0.4},
    "shutdown_timeout": 5,
    "health_address": "127.0.0.1:0",
    "metrics_address": "127.0.0.1:0",
    "metrics_scrape_interval": 0,
}


class Operators:
    """Starts operators against the server; all that still run are ended after the test."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Operators:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def start(self, **settings: Any) -> Engine:
        """An operator in this loop that has listed everything once."""
        return await self._stack.enter_async_context(self._engine(settings))

    @asynccontextmanager
    async def _engine(self, settings: dict[str, Any]) -> AsyncIterator[Engine]:
        loaded = load_settings({**QUICK, **settings, "kubeconfig": self._kubeconfig})
        async with Client(await load_configuration(self._kubeconfig)) as client:
            contents = RuleFiles(loaded.rules, loaded.redaction).read()
            categorizer = contents.compile() if contents.files else CATEGORIZER
            back_off = lambda: BackOff(base=0.02, cap=0.3)  # noqa: E731
            engine = Engine(loaded, client, categorizer, back_off=back_off, contents=contents)
            await engine.listen()
            engine.start()
            async with asyncio.timeout(15):
                await engine.synced()
            yield engine
            await engine.stop()

    def spawn(self, *flags: str, program: Sequence[str] = ("coroner_operator",)) -> Program:
        """``coroner run`` as a process of its own; it is killed after the test if it still runs.

        ``program``: another module that runs it, and what comes before ``run``.
        """
        command = [sys.executable, "-m", *program, *self._arguments(flags)]
        return self._ended_with_the_test(Program(command, environment=own_environment()))

    def fork(self, *flags: str) -> Program:
        """The same, forked from a process that has imported it: for tests that start dozens."""
        return self._ended_with_the_test(ForkedProgram("coroner_operator", self._arguments(flags)))

    def _arguments(self, flags: Sequence[str]) -> list[str]:
        addresses = ("--health-address", "", "--metrics-address", "")
        return ["run", "--kubeconfig", str(self._kubeconfig), *addresses, *flags]

    def _ended_with_the_test(self, process: Program) -> Program:
        self._stack.callback(process.kill)
        return process
