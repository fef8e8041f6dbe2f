"""Rules that change while the operator runs: noticed, read whole, taken over at once or refused with every mistake.

The files are read again and again rather than watched: it costs 0.1 ms, needs no library, and sees what a kubelet does
to a ConfigMap (it swaps a symbolic link above the file) as well as what an editor does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from coroner_categorizer import Categorizer
from coroner_operator.config.rules_files import InvalidRules, RuleFileContents, RuleFiles

log = logging.getLogger("coroner.rules")

POLL_INTERVAL = 0.5  # s; two equal looks are needed, so a change is taken up within one to one and a half seconds
REASON = "InvalidRules"


class ReloadMetrics(Protocol):
    """Who counts: ``metrics.Metrics`` in the operator."""

    def count_reload(self, succeeded: bool, /) -> None: ...


class Reloader:
    """``run()``, or ``look()`` each time; ``refused`` as long as the files cannot be used as they are."""

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
        """``in_force``: what the categorizer in use was made from; None: not known. ``warn``: reason and note of an
        Event; ``adopt`` takes the new categorizer over at once."""
        self.errors: tuple[str, ...] = ()
        """Every mistake; none while what the files hold is in force."""
        self._files = files
        self._current = current
        self._evaluated = current
        """What was last adopted or refused."""
        self._last: RuleFileContents | None = current
        self._on_reload = on_reload
        self._warn = warn
        self._counts = counts
        self._sleep = sleep

    async def run(self) -> None:
        """Ends only by cancellation; at once waits for ever where no file is set."""
        if not self._files:
            await asyncio.Event().wait()
        while True:
            await self._sleep(POLL_INTERVAL)
            await self.poll()

    async def poll(self) -> None:
        contents = await asyncio.to_thread(self._files.read)
        # Seen twice the same: a file that is just being written may be read by half, and half a file may be valid.
        is_settled, self._last = contents == self._last, contents
        if not is_settled or contents == self._evaluated:
            return
        self._evaluated = contents
        if contents == self._current:
            self.errors = ()
            self._counts.count_reload(True)
            log.info("the rules are again as they are in force")
            return
        try:
            categorizer = await asyncio.to_thread(contents.compile)
        except InvalidRules as refused:
            self._reject(refused.mistakes)
            return
        self._current = contents
        self.errors = ()
        self._on_reload(categorizer)
        self._counts.count_reload(True)
        log.info("new rules in force: %s", categorizer.hash)

    def reannounce(self) -> None:
        """Say again by an Event what is refused: the first may have been a standby's, which may not write."""
        if self.errors:
            self._warn(REASON, event_note(self.errors))

    def _reject(self, mistakes: tuple[str, ...]) -> None:
        self.errors = mistakes
        self._counts.count_reload(False)
        for mistake in mistakes:
            log.error("%s", mistake)
        log.error("rules refused (mistakes: %d); those before stay in force", len(mistakes))
        self.reannounce()


def event_note(mistakes: tuple[str, ...]) -> str:
    """The first mistake, which fits into an Event, and how many there are."""
    more = f" (and {len(mistakes) - 1} more, see the operator's log)" if len(mistakes) > 1 else ""
    return f"The rules were refused, those before stay in force: {mistakes[0][:600]}{more}"
