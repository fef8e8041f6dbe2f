"""CPU seconds by who used them, from /proc: on a shared machine no time means anything without them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TICK = 1 / os.sysconf("SC_CLK_TCK")  # s


@dataclass(frozen=True)
class Shares:
    """Seconds of user and system time; since boot as read, of a while as a difference."""

    operator: float
    servers: float
    """API server and etcd."""
    rest: float
    """All others: the measuring process too, and whatever else runs here."""

    @classmethod
    def now(cls, operator: int, servers: tuple[int, ...]) -> Self:
        """By process ids. Raises OSError where there is no /proc, or a process has ended."""
        mine, theirs = cpu_of(operator), sum(cpu_of(pid) for pid in servers)
        return cls(mine, theirs, _machine() - mine - theirs)

    def __sub__(self, before: Shares) -> Shares:
        return Shares(self.operator - before.operator, self.servers - before.servers, self.rest - before.rest)


def cpu_of(pid: int) -> float:
    """Since the process began."""
    # Behind the name in brackets, which may hold anything: state is field 3, utime 14, stime 15 (proc_pid_stat(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def _machine() -> float:
    user, nice, system, _idle, _iowait, irq, softirq, *_ = Path("/proc/stat").read_text().split()[1:]
    return (int(user) + int(nice) + int(system) + int(irq) + int(softirq)) * TICK
