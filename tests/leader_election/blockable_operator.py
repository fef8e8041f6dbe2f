"""``python -m tests.leader_election.blockable_operator SECONDS run …``: ``coroner``, whose event loop SIGUSR1 blocks.

A signal is handled in the main thread, where the event loop runs: nothing else runs there meanwhile.
"""

from __future__ import annotations

import signal
import sys
import time

from coroner_operator.__main__ import main


def block(seconds: float) -> None:
    """As a long computation does: the event loop does not run meanwhile, other threads get their turn."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1_000))


if __name__ == "__main__":
    seconds = float(sys.argv.pop(1))
    signal.signal(signal.SIGUSR1, lambda *_: block(seconds))
    main(prog_name="coroner")
