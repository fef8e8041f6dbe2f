"""Rules that change while the operator runs: noticed, read whole, and used from then on or rejected with every error.

The files are polled rather than watched: a poll takes 0.1 ms, needs no library, and sees what a kubelet does to a
ConfigMap (it swaps a symbolic link above the file) as well as what an editor does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from coroner_categorizer import Categorizer
from coroner_operator.config.rules_files import InvalidRules, RuleFileContents, RuleFiles

log = logging.getLogger("coroner.rules_reloader")

POLL_INTERVAL = 0.5  # s; two equal polls are needed, so a change takes effect within one to one and a half seconds
REASON = "InvalidRules"

_NOTE_LIMIT = 600  # characters of an error in an Event, whose note has at most 1,024


class ReloadMetrics(Protocol):
    """``metrics.Metrics`` in the operator."""

    def count_reload(self, succeeded: bool, /) -> None: ...


class Reloader:
    """``run()``, or ``poll()`` each time; ``errors`` says why the files cannot be used as they are."""

    def __init__(
        self,
        files: RuleFiles,
        current: RuleFileContents | None,
        *,
        on_reload: Callable[[Categorizer], None],
        warn: Callable[[str, str], None],
        counts: ReloadMetrics,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        """``current``: what the categorizer in use was compiled from; None: unknown. ``on_reload`` is called with each
        new categorizer, ``warn`` with reason and note of an Event."""
        self.errors: tuple[str, ...] = ()
        """Every error of the files; none while their content is in use."""
        self._files = files
        self._current = current
        self._evaluated = current
        """What was last accepted or rejected."""
        self._last: RuleFileContents | None = current
        self._on_reload = on_reload
        self._warn = warn
        self._counts = counts
        self._sleep = sleep

    async def run(self) -> None:
        """Runs until cancelled; only waits where no file is set."""
        if not self._files:
            await asyncio.Event().wait()
        while True:
            await self._sleep(POLL_INTERVAL)
            await self.poll()

    async def poll(self) -> None:
        """Read the files, and use their content once it was the same in two polls."""
        contents = await asyncio.to_thread(self._files.read)
        # Twice the same: of a file that is just being written a half may be read, and half a file may be valid.
        is_settled, self._last = contents == self._last, contents
        if not is_settled or contents == self._evaluated:
            return
        self._evaluated = contents
        if contents == self._current:
            self.errors = ()
            self._counts.count_reload(True)
            log.info("the rules files are again as the rules in use")
            return
        try:
            categorizer = await asyncio.to_thread(contents.compile)
        except InvalidRules as invalid:
            self._reject(invalid.errors)
            return
        except Exception as error:  # a fault of this program: the operator goes on with the rules that it has
            log.exception("the rules files cannot be used")
            self._reject((unexpected(contents, error),))
            return
        self._current = contents
        self.errors = ()
        self._on_reload(categorizer)
        self._counts.count_reload(True)
        log.info("rules reloaded: %s", categorizer.hash)

    def reannounce(self) -> None:
        """Record the Event about rejected rules again: the first may have been a standby's, which must not write."""
        if self.errors:
            self._warn(REASON, event_note(self.errors))

    def _reject(self, errors: tuple[str, ...]) -> None:
        self.errors = errors
        self._counts.count_reload(False)
        for error in errors:
            log.error("%s", error)
        count = f"{len(errors)} error{'s' if len(errors) > 1 else ''}"
        log.error("rules rejected (%s); keeping the previous rules", count)
        self.reannounce()


def unexpected(contents: RuleFileContents, error: Exception) -> str:
    """One line, of an error that no file should have caused."""
    files = " and ".join(str(file) for file in (contents.files.rules, contents.files.redaction) if file)
    reason = (str(error).splitlines() or [""])[0]
    return f"{files}: cannot be used: {type(error).__name__}: {reason}; see the operator's log"


def event_note(errors: tuple[str, ...]) -> str:
    """The first error, which fits into an Event, and how many there are."""
    more = f" (and {len(errors) - 1} more, see the operator's log)" if len(errors) > 1 else ""
    return f"Rules rejected, keeping the previous rules: {errors[0][:_NOTE_LIMIT]}{more}"
