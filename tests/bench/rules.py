"""``make bench``: microseconds a pod for rule sets of 10, 60 and 200 rules, and how the cost grows with the patterns.

Absolute times are this machine's; what is to be read are the ratios, all taken in one run, interleaved.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import re2

import coroner_categorizer as cc
from coroner_categorizer.rules.pattern_set import PatternSet

SIZES = (10, 60, 200)
ROUNDS = 15
_WORDS = [
    "socket",
    "disk",
    "shard",
    "tensor",
    "broker",
    "ledger",
    "replica",
    "stream",
    "quota",
    "lease",
    "cursor",
    "packet",
]


def patterns(count: int) -> list[str]:
    """Patterns such as people write: words, alternatives, numbers; no two alike."""
    return [f"(?i){_WORDS[i % len(_WORDS)]}[- ](?:fault|error) (?:code )?{1000 + i}\\b" for i in range(count)]


def rules(count: int) -> str:
    """A site's rules: every third by exit code, the others by a pattern in the termination message."""
    lines = ["kind: Categorizer", "categories:"]
    for i, pattern in enumerate(patterns(count)):
        matcher = f"onExitCodes: {{operator: In, values: [{i % 120 + 3}]}}" if i % 3 == 0 else ""
        matcher = matcher or f"onTerminationMessage: {{pattern: '{pattern}'}}"
        lines.append(f"  - {{name: c{i}, rules: [{{{matcher}, subcategory: s{i}}}]}}")
    return "\n".join(lines)


def failed_pod(message: str) -> cc.Pod:
    """A failed pod whose last pattern matches: the worst case for a search one by one."""
    ended = {"exitCode": 1, "reason": "Error", "message": message, "finishedAt": "2026-11-21T21:15:50Z"}
    status = {"phase": "Failed", "containerStatuses": [{"name": "main", "state": {"terminated": ended}}]}
    return cc.parse_pod({"kind": "Pod", "metadata": {"name": "p", "uid": "u"}, "status": status})


def message(length: int = 4096) -> str:
    """The tail of a log, as long as the kubelet keeps."""
    line = "2026-11-21 21:15:49 INFO step 1234: loss 0.123, socket open, disk at 71 %, broker answered\n"
    return (line * (length // len(line) + 1))[: length - 40] + "\nsocket error code 9999\n"


def interleaved(work: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median microseconds of each piece of work, all measured in turn so that a slow moment hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, do in work.items():
            start = time.perf_counter_ns()
            for _ in range(20):
                do()
            times[name].append((time.perf_counter_ns() - start) / 20_000)
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> None:
    pod, text = failed_pod(message()), message()
    raw = text.encode()
    categorizers = {size: cc.load(rules(size)) for size in SIZES}
    default = cc.default()
    work: dict[str, Callable[[], object]] = {}
    for size, categorizer in categorizers.items():
        work[f"a pod, {size} rules"] = lambda c=categorizer: c.classify_pod(pod)  # type: ignore[misc]
    work[f"a pod, default pack ({len(default.rules)} rules)"] = lambda: default.classify_pod(pod)
    for size in SIZES:
        together = PatternSet(patterns(size))
        alone = [re2.compile(p) for p in patterns(size)]
        work[f"4 KB of text, {size} patterns as one set"] = lambda s=together: s.found_in(text)  # type: ignore[misc]
        work[f"4 KB of text, {size} patterns one by one"] = lambda a=alone: [p.search(raw) for p in a]  # type: ignore[misc]
    took = interleaved(work)
    for name, micros in took.items():
        print(f"{micros:9.1f} µs   {name}")
    print()
    first, last = SIZES[0], SIZES[-1]
    for kind in ("a pod, {} rules", "4 KB of text, {} patterns as one set", "4 KB of text, {} patterns one by one"):
        ratio = took[kind.format(last)] / took[kind.format(first)]
        print(f"{last // first} times as many: {ratio:5.1f} times the cost   {kind.format('N')}")


if __name__ == "__main__":
    main()
