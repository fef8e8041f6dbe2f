"""How long to wait before the next try: exponential, with full jitter, and at least what the server asks for."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

TOO_MANY_REQUESTS_WAIT = 1.0  # s, at least, after a 429 that does not say how long


@dataclass
class BackOff:
    """Full jitter: a uniform draw below a ceiling that doubles, so that many clients do not retry at the same time."""

    base: float = 0.2
    """Seconds; the first ceiling."""
    cap: float = 30.0
    """Seconds; the last ceiling."""
    draw: Callable[[float, float], float] = random.uniform
    tries: int = field(default=0, init=False)
    """Failures since the last success."""
    on_retry: Callable[[], None] = field(default=lambda: None)
    """Called for each wait."""

    def next(self, retry_after: float | None = None) -> float:
        """Seconds to wait after one more failure. ``retry_after``: what the server asked for, in seconds."""
        ceiling = min(self.cap, self.base * 2 ** min(self.tries, 32))
        self.tries += 1
        self.on_retry()
        wait = self.draw(0, ceiling)
        # What the server asks for is a lower bound; without jitter on top all clients would retry at the same instant.
        return wait if retry_after is None else retry_after + wait

    def reset(self) -> None:
        """After a success."""
        self.tries = 0
