"""``make fuzz``: random inputs for each target until its time is up; the first that breaks a law is shrunk and shown.

The inputs differ in each run. A failing one is kept in .hypothesis and tried first the next time.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time

from hypothesis import HealthCheck, given, settings

from tests.fuzz.targets import TARGETS, Target

HANG = 60.0  # seconds in one batch without an end: the stack is printed and the process ends
BATCH = 500


def main() -> int:
    """The exit code: 0 = every law held."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"default: all of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target (default: 60)")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.targets) - set(TARGETS))
    if unknown:
        parser.error(f"unknown target {unknown[0]!r}; use {', '.join(TARGETS)}")
    for name in arguments.targets or TARGETS:
        tried, slowest = _fuzz(TARGETS[name], arguments.seconds)
        print(f"{name}: {tried} inputs, the slowest check took {slowest * 1000:.0f} ms of CPU time", flush=True)
    return 0


def _fuzz(target: Target, seconds: float) -> tuple[int, float]:
    """How many inputs were tried, and the CPU seconds of the slowest check."""
    tried, slowest = 0, 0.0

    @settings(
        max_examples=BATCH,
        deadline=None,
        derandomize=False,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def batch(value: object) -> None:
        nonlocal tried, slowest
        start = time.process_time()
        target.check(value)
        tried, slowest = tried + 1, max(slowest, time.process_time() - start)

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        faulthandler.dump_traceback_later(HANG, exit=True)
        batch()
    faulthandler.cancel_dump_traceback_later()
    return tried, slowest


if __name__ == "__main__":
    sys.exit(main())
