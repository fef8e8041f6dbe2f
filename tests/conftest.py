"""What all tests share: servers (tests/cluster, tests/support), layers, and the account of what was not tested."""

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = [
    "tests.cluster.plugin",
    "tests.support.fixtures",
    "tests.support.layers",
    "tests.support.scheduling",
]

# The same inputs in every run, however slow the machine: a failure is the change's fault. `make test-random` draws others.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("nightly", deadline=None, print_blob=True)
settings.load_profile("ci")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was skipped and why; nobody should take a short run for a whole one."""
    skipped = terminalreporter.stats.get("skipped", [])
    terminalreporter.section("what was skipped, and why")
    if not skipped:
        terminalreporter.write_line("nothing")
    files: dict[str, set[str]] = defaultdict(set)
    counts: dict[str, int] = defaultdict(int)
    for report in skipped:
        place, _, reason = (
            report.longrepr if isinstance(report.longrepr, tuple) else (report.nodeid, 0, str(report.longrepr))
        )
        reason = reason.removeprefix("Skipped: ")
        counts[reason] += 1
        files[reason].add(report.nodeid.partition("::")[0] or Path(place).name)
    for reason, count in sorted(counts.items(), key=lambda entry: -entry[1]):
        terminalreporter.write_line(f"{count:4}  {reason}")
        terminalreporter.write_line(f"      in {', '.join(sorted(files[reason]))}")
