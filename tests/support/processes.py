"""Programs that a test starts beside itself: each can be asked for its output, and is gone when the test is over."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.support.preloaded import ForkedProcess
from tests.support.waiting import until

STOP_SECONDS = 20.0


class ProgramEndedError(OSError):
    """A program that should run has ended. No condition's "not yet": whoever waits stops waiting."""


class Process(Protocol):
    """What is used of ``subprocess.Popen``."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Program:
    """Runs from construction to ``end()``. Its output is appended to ``log``; without one it is the test's own."""

    _process: Process

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """``environment``: the whole of it; None: the test's own. ``folder``: where it runs; None: where the test does."""
        self._log = log
        self._command = " ".join(command)
        output = log.open("a") if log else None
        try:
            if output:
                output.write(f"$ {self._command}\n")
                output.flush()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                env=None if environment is None else dict(environment),
                cwd=folder,
            )
        finally:
            if output:
                output.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs. Minus the signal's number where a signal ended it."""
        return self._process.poll()

    def check(self) -> None:
        """Raises ProgramEndedError."""
        if (status := self.status) is not None:
            raise ProgramEndedError(f"{self._command} ended with status {status}:\n{self.tail()}")

    def output(self) -> str:
        """All that its log holds; "" where it has none."""
        return self._log.read_text(errors="replace") if self._log else ""

    def tail(self, lines: int = 60) -> str:
        """The end of its log."""
        return "\n".join(self.output().splitlines()[-lines:])

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9; it is dead when this returns."""
        self._process.kill()
        self._process.wait()

    def stop(self, within: float = STOP_SECONDS) -> int:
        """Exit status after SIGTERM. Fails where it does not end in time; it is killed then."""
        self._process.terminate()
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"{self._command} did not end within {within:g} s of SIGTERM:\n{self.tail()}"
            ) from None

    def end(self) -> None:
        """However it goes: after this the process is gone."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    async def ended(self, within: float = STOP_SECONDS) -> int:
        """Exit status as soon as it has ended by itself."""
        await until(lambda: self.status is not None, within, f"{self._command} has ended")
        return self._process.wait()


class ForkedProgram(Program):
    """``python -m MODULE ARGUMENTS…``, forked from a process that has imported the operator."""

    def __init__(self, module: str, arguments: Sequence[str]) -> None:
        self._log = None
        self._command = " ".join((module, *arguments))
        self._process = ForkedProcess(module, arguments, own_environment())


def own_environment() -> dict[str, str]:
    """The test's environment without the settings of an operator (CORONER_…)."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CORONER_")}
