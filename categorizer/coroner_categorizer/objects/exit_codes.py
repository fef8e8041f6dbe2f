"""What exit codes mean: 128 + a signal of Linux (x86 and arm64 agree on these), 256 − a signal, a status of Windows."""

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


# A launcher that passes on its child's negative status (Python's returncode) ends with 256 − the signal's number.
_CHILD_SIGNALS = (6, 7, 9, 11)

# Source: MS-ERREF, "NTSTATUS Values"; the last two are exceptions that .NET and Visual C++ raise.
NT_STATUSES = {
    0x40000015: "STATUS_FATAL_APP_EXIT",
    0x40010004: "DBG_TERMINATE_PROCESS",
    0x40010005: "DBG_CONTROL_C",
    0x80000003: "STATUS_BREAKPOINT",
    0xC0000005: "STATUS_ACCESS_VIOLATION",
    0xC0000017: "STATUS_NO_MEMORY",
    0xC000001D: "STATUS_ILLEGAL_INSTRUCTION",
    0xC000007B: "STATUS_INVALID_IMAGE_FORMAT",
    0xC000008E: "STATUS_FLOAT_DIVIDE_BY_ZERO",
    0xC0000094: "STATUS_INTEGER_DIVIDE_BY_ZERO",
    0xC0000096: "STATUS_PRIVILEGED_INSTRUCTION",
    0xC00000FD: "STATUS_STACK_OVERFLOW",
    0xC000012D: "STATUS_COMMITMENT_LIMIT",
    0xC0000135: "STATUS_DLL_NOT_FOUND",
    0xC0000139: "STATUS_ENTRYPOINT_NOT_FOUND",
    0xC000013A: "STATUS_CONTROL_C_EXIT",
    0xC0000142: "STATUS_DLL_INIT_FAILED",
    0xC0000374: "STATUS_HEAP_CORRUPTION",
    0xC0000409: "STATUS_STACK_BUFFER_OVERRUN",
    0xE0434352: "CLR exception",
    0xC06D007E: "delay-loaded DLL not found",
}
_NT_STOPS = frozenset({0x40010004, 0x40010005, 0xC000013A})
"""With which Windows ends a program that was asked to stop."""
_UINT32 = 0xFFFFFFFF


def signal_of(exit_code: int | None) -> str | None:
    """``SIGKILL`` for 137; None for a code that is no signal's."""
    return SIGNALS.get(exit_code - 128) if exit_code is not None and exit_code > 128 else None


def nt_status(exit_code: int | None) -> str | None:
    """``STATUS_DLL_NOT_FOUND, 0xC0000135`` for −1073741515; None for a code that is no known status of Windows."""
    code = None if exit_code is None else exit_code & _UINT32
    return f"{NT_STATUSES[code]}, 0x{code:08X}" if code in NT_STATUSES else None


def ended_by_stop(exit_code: int) -> bool:
    """Whether this is the code of a program that was asked to stop or killed: 137, 143, or what Windows has for it."""
    return exit_code in KILL_EXIT_CODES or exit_code & _UINT32 in _NT_STOPS


def child_signal(exit_code: int) -> int | None:
    """9 for 247: the number of the signal that may have ended the child of a launcher."""
    number = 256 - exit_code
    return number if number in _CHILD_SIGNALS else None
