"""Linux signal numbers as exit codes carry them: 128 + signal (x86 and arm64 agree on all of these)."""

from __future__ import annotations

SIGKILL_EXIT, SIGTERM_EXIT = 137, 143
KILL_EXIT_CODES = (SIGKILL_EXIT, SIGTERM_EXIT)

SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    10: "SIGUSR1",
    11: "SIGSEGV",
    12: "SIGUSR2",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
    24: "SIGXCPU",
    25: "SIGXFSZ",
    31: "SIGSYS",
}


def signal_of(exit_code: int | None) -> str | None:
    """``SIGKILL`` for 137; None for a code that is no signal's."""
    return SIGNALS.get(exit_code - 128) if exit_code is not None and exit_code > 128 else None
