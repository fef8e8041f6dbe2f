"""The last words of a program: the line of its termination message that says why it ended.

A termination message is the tail of a log (at most 4,096 bytes, cut at the front). A traceback that was logged and
survived is not the cause, so only a trace at the *end* of the text counts: nothing but blank or trailer lines after it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from coroner_categorizer.termination_message.error_lines import (
    ERROR_WORDS,
    HARMLESS_LEVEL,
    LOG_LINE,
    last_error_line,
    without_harmless_lines,
)

# Bounded quantifiers and no nesting: these patterns see untrusted text line by line, at most 400 characters each.
_LINE_LIMIT = 400
# A prefix is common: "[rank0]: " by torchrun, "    | " in exception groups, a compose-like "main | ".
_PYTHON_START = re.compile(r"^(.{0,60}?)(?:Exception Group )?Traceback \(most recent call last\):\s*$")
# What started the program says that it failed, with a code of its own: no output of a program that went on (y22).
_WRAPPER = re.compile(
    r"^(?:make(?:\[\d+\])?: \*\*\* |npm (?:ERR!|error|notice)|srun: error|Command exited with non-zero status"
    r"|ERROR conda\.|error: Recipe |exit status \d+$|error Command failed |info Visit |slurmstepd: |mpirun: |wandb: )"
)
_DOTTED = r"[A-Za-z_][\w]*(?:\.[A-Za-z_<][\w<>]*)*"
_PYTHON_LAST = re.compile(rf"^({_DOTTED})(?::(?: .*)?)?$")
# Exceptions that only say that a child failed; the child's own words stand before them.
_CHILD_FAILED = "torch.distributed.elastic.multiprocessing.errors.ChildFailedError"
_PROCESS_FAILED = "subprocess.CalledProcessError"
_WRAPPER_EXCEPTIONS = (_CHILD_FAILED, _PROCESS_FAILED)
_ROOT_CAUSE = re.compile(r"^Root Cause\b")  # torchrun's: the worker that failed first, after all others
_RANK = re.compile(r"^\s*rank\s*: (\d+)")
_WORKER_EXIT = re.compile(r"^\s*exitcode\s*: (-?\d{1,9})\b")
_KILLED_CHILD = re.compile(
    r"(?i)MemoryError|OutOfMemory|out of memory|SIGKILL|signal:? (?:9|Killed)|terminated abruptly"
)
_ABORTED_ITSELF = -6  # it may have said why; by any other signal it was silenced
_CAUSE_LINES = 5  # a program's last words are few; seven lines up it had read-only files and went on (x2)
# What a program says of its end that is no part of an exception's message, and no launcher's word of its child.
_GIVES_UP = re.compile(r"^(?:[Ee]rror|ERROR|[Ff]atal|FATAL|[Uu]sage): |, exiting\.?$")
_OF_A_CHILD = re.compile(r"(?i)exit(?:ed)?\b.{0,20}\b(?:code|status)|\b(?:command|script|process)\b")
_NATIVE_FRAME = re.compile(
    r"^\s*(?:frame #\d+|#\d+ |at |\.\.\. |\[?0x[0-9a-f]|\*\*\* |Exception raised from |/\S+\.so)"
)
# Python itself ends with 1 after an uncaught exception, after Ctrl-C by SIGINT. Another code was chosen by somebody,
# and a traceback above it was survived: output of the two streams may stand in another order than it was written (y2b).
_PYTHON_EXITS = (None, 1, 130)
# So do Java, after an exception in its main thread only, and Node, where a failed handler makes it 7.
_JAVA_EXITS = (None, 1)
_NODE_EXITS = (None, 1, 7)
# Rust ends with 101 after a panic of its main thread; with panic=abort a signal ends it.
_RUST_EXITS = (None, 101, 132, 134, 139)
_GO_EXITS = (None, 2)
_PYTHON_FATAL = re.compile(r"^Fatal Python error: .+")
_PYTHON_FATAL_TRAILER = re.compile(
    r"^(?:(?:Current thread|Thread) 0x|  File |  <no Python frame>|Python runtime state: |Extension modules: )"
)
_GO_PANIC = re.compile(r"^(?:panic|fatal error): .+")
_GO_TRACE = re.compile(
    r"^(?:goroutine \d+ .*\[.*\]:|\t\S.*:\d+.*|[\w./*()\[\]{}-]+\(.*\)$|created by .+"
    r"|exit status \d+|\[signal .+|\[recovered.*)"
)
_RUST_PANIC = re.compile(r"^thread '[^']*' (?:\(\d+\) )?panicked at (.+)$")
_RUST_TRAILER = re.compile(r"^(?:note: |stack backtrace:|\s+\d+: |\s+at )")
_JAVA_FIRST = re.compile(r"^Exception in thread \"[^\"]*\" (\S.*)$")
_JAVA_NAME = rf"(?:{_DOTTED}\.)?[A-Z]\w*(?:Exception|Error|Throwable)\b"
_JAVA_BARE = re.compile(rf"^{_JAVA_NAME}.*$")
_JAVA_CAUSE = re.compile(r"^Caused by: (.+)$")
_JAVA_TRACE = re.compile(
    r"^\s*(?:at [\w.$<>/@-]+(?:\(.*\))?|\.\.\. \d+ (?:more|common frames omitted)|Suppressed: .+|Caused by: .+)$"
)
_NODE_ERROR = re.compile(
    rf"^(?:Uncaught )?((?:{_DOTTED} )?(?:[A-Z]\w*)?(?:Error|Exception)\b(?: \[\w+\])?: .+|[A-Z]\w*Error)$"
)
_NODE_REJECTION = re.compile(r"^\[?UnhandledPromiseRejection: .+ with the reason (\".+\")\.\]?(?: \{)?$")
_NODE_FRAME = re.compile(r"^\s+at .+")
_NODE_TRAILER = re.compile(r"^(?:Node\.js v\d+.*|\s*[{}\]]+,?|\s+\w+: .*[,}]?|\s*)$")
_DOTNET = re.compile(r"^Unhandled exception[.:]? (.+)$")
_RUBY = re.compile(r"^\S+\.rb:\d+:in [`'][^']*': (.+ \(\w[\w:]*\))$")
_RUBY_TRAILER = re.compile(r"^\s+(?:\d+: )?from .+")
_CXX = re.compile(r"^terminate called (?:after throwing an instance of '(.+)'|without an active exception)$")
_CXX_LLVM = re.compile(r"^libc\+\+abi: terminating due to (uncaught exception.*)$")
_CXX_WHAT = re.compile(r"^  what\(\):\s+(\S.*)$")
_PHP = re.compile(r"^(?:PHP )?Fatal error:\s+Uncaught (\S.*)$")
_PHP_TRAILER = re.compile(r"^(?:Stack trace:|#\d+ .+|\s+thrown in .+ on line \d+|(?:PHP )?Fatal error: .+)$")
_JULIA = re.compile(r"^ERROR: (?:LoadError: )*(\S.*)$")
_JULIA_TRAILER = re.compile(r"^(?:Stacktrace:|\s+\[\d+\] .+|\s+@ .+|in expression starting at .+)$")
_R = re.compile(r"^(Error(?: in .+?)? ?: .+|Error: .+)$")
_R_HALTED = "Execution halted"
# What a shell or a tool below the program's words says of its end.
_ABORTED = re.compile(r"^(?:.*: line \d+:\s+\d+ )?Aborted\b")


PANICKED = "panicked: "  # Rust's own word, put before the message that stands on the next line
REJECTED = "unhandled promise rejection: "  # Node's, in short


class UncaughtException(NamedTuple):
    language: str
    line: str
    """The line that says what, without the trace: ``ValueError: bad input``."""


def find_uncaught_exception(message: str, exit_code: int | None = None) -> UncaughtException | None:
    """The uncaught exception or panic that the message ends with; None where it ends with anything else."""
    lines = [line[:_LINE_LIMIT].rstrip() for line in message.replace("\r\n", "\n").split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        return None
    return (
        _python(lines, exit_code)
        or _go(lines, exit_code)
        or (_rust(lines) if exit_code in _RUST_EXITS else None)
        or (_java(lines) if exit_code in _JAVA_EXITS else None)
        or (_node(lines) if exit_code in _NODE_EXITS else None)
        or _other(lines)
    )


def is_oom_symptom(words: UncaughtException) -> bool:
    """Whether they only report what an OOM kill does: a child that was killed, or memory that was not given."""
    return words.line.startswith(_WRAPPER_EXCEPTIONS) or bool(_KILLED_CHILD.search(words.line))


def cause_text(message: str, words: UncaughtException | None) -> str:
    """The part of a termination message in which a cause may be looked for.

    The exception's line where there is one: what was logged earlier had been survived. Exceptions that only wrap a
    child's end bring what the child said. Where nothing ends the message, it is its last lines, not counting a native
    stack trace below them.
    """
    lines = [line for line in message.split("\n") if line.strip()]
    if words and words.line.startswith(_WRAPPER_EXCEPTIONS):
        return _child_error(lines, words)
    if words and words.language == "c++" and ": " not in words.line:  # it brings no message of its own
        return "\n".join(without_harmless_lines(lines[-_CAUSE_LINES:]))
    if words:
        return words.line
    start, told = len(lines), 0
    while start and told < _CAUSE_LINES:
        start -= 1
        told += not _NATIVE_FRAME.match(lines[start])
    tail = lines[start:]
    # The last line that complains is the one that counts; what was complained of before it had been survived.
    tail = [*without_harmless_lines(tail[:-1]), *tail[-1:]]
    complaint = last_error_line(tail)
    return "\n".join(tail[0 if complaint is None else complaint :])


def _child_error(lines: list[str], words: UncaughtException) -> str:
    """What a failed child process had said, as far as it can be the cause, and the exception that wraps its end."""
    start = next((i for i in range(len(lines) - 1, -1, -1) if _PYTHON_START.match(lines[i])), 0)
    if words.line.startswith(_PROCESS_FAILED):
        before = without_harmless_lines(lines[max(0, start - _CAUSE_LINES) : start])
        said = next((line for line in reversed(before) if ERROR_WORDS.search(line)), None)
        return "\n".join([said, words.line] if said else [words.line])
    root = _root_cause(lines)
    silenced = root is not None and root.exit_code < 0 and root.exit_code != _ABORTED_ITSELF
    return "\n".join(lines[root.line :] if root and silenced else lines)


class _RootCause(NamedTuple):
    line: int
    rank: str
    exit_code: int
    """Negative: a signal's number."""


def _root_cause(lines: list[str]) -> _RootCause | None:
    """The worker that torchrun saw fail first, from the table at the end of its message."""
    start = next((i for i in range(len(lines) - 1, -1, -1) if _ROOT_CAUSE.match(lines[i])), None)
    if start is None:
        return None
    ranks = (found.group(1) for line in lines[start:] if (found := _RANK.match(line)))
    codes = (found.group(1) for line in lines[start:] if (found := _WORKER_EXIT.match(line)))
    rank, code = next(ranks, None), next(codes, None)
    return _RootCause(start, rank, int(code)) if rank is not None and code is not None else None


def _worker_exception(lines: list[str]) -> UncaughtException | None:
    """The exception of the worker that failed first, where torchrun's table says that it ended by itself."""
    root = _root_cause(lines)
    if root is None or root.exit_code <= 0:
        return None
    starts = [(i, found.group(1)) for i, line in enumerate(lines) if (found := _PYTHON_START.match(line))][:-1]
    marked = any("rank" in prefix for _, prefix in starts)
    its_own = [start for start in starts if f"rank{root.rank}]" in start[1] or not marked]
    for i, prefix in reversed(its_own):  # an exception that was handled stands before the one that was not
        end = next(
            (j for j in range(i + 1, len(lines)) if not lines[j].startswith(prefix) or _ends_trace(lines[j])), None
        )
        if words := _python_trace(prefix, lines[i + 1 : end], None):
            return words
    return None


def _ends_trace(line: str) -> bool:
    return bool(_PYTHON_START.match(line) or LOG_LINE.match(line))


def _python(lines: list[str], exit_code: int | None) -> UncaughtException | None:
    end = len(lines)
    while end > 1 and (not lines[end - 1].strip() or _PYTHON_FATAL_TRAILER.match(lines[end - 1])):
        end -= 1
    if _PYTHON_FATAL.match(lines[end - 1]):
        return UncaughtException("python", lines[end - 1])
    for i in range(len(lines) - 1, -1, -1):
        if start := _PYTHON_START.match(lines[i]):
            words = _python_trace(start.group(1).replace("+", "|"), lines[i + 1 :], exit_code)
            return (_worker_exception(lines) or words) if words and words.line.startswith(_CHILD_FAILED) else words
    return _python_cut(lines) if exit_code in _PYTHON_EXITS else None


def _python_trace(prefix: str, lines: list[str], exit_code: int | None) -> UncaughtException | None:
    """The exception below a "Traceback" line, whose frames are ``lines``."""
    own = [line.removeprefix(prefix) for line in lines]
    # Frames are indented; the first line that is not is the exception.
    after = next((i for i, line in enumerate(own) if line and not line[0].isspace()), None)
    if not after:  # no frame at all, or nothing but frames: the text was cut
        return None
    last = _PYTHON_LAST.match(own[after])
    below = [line for line in lines[after + 1 :] if line.strip()]
    rest = [line for line in below if not _WRAPPER.match(line)]
    wrapped = len(rest) < len(below)
    # More lines: the rest of the exception's message, or standard output that was flushed at the exit.
    # A program that goes on logging has survived its traceback.
    if (
        not last
        or (exit_code not in _PYTHON_EXITS and not wrapped)
        or any(LOG_LINE.match(line) or (_GIVES_UP.search(line) and not _OF_A_CHILD.search(line)) for line in rest)
    ):
        return None
    line = own[after]
    more = [text.strip() for text in own[after + 1 :]]
    if "NCCL error" in line and "Last error:" in more[:-1]:
        line = f"{line}: {more[more.index('Last error:') + 1]}"
    elif more and more[0].startswith(": "):  # py4j: the exception of the Java side
        line = f"{line}{more[0]}"
    if line.endswith(":") and not line.startswith(
        _WRAPPER_EXCEPTIONS
    ):  # what is said follows on lines of its own (y17)
        line = " ".join([line, *(text.strip() for text in own[after + 1 : after + 4])])
    return UncaughtException("python", line.strip())


_EXCEPTION_NAME = re.compile(r"(?:Error|Exception|Warning|Interrupt|Exit|Iteration|Fault|Timeout|Failure)$")


def _python_cut(lines: list[str]) -> UncaughtException | None:
    """The front of the text was cut away, "Traceback" with it: frames, then an exception's line at the end."""
    last = _PYTHON_LAST.match(lines[-1])
    if not last or not _EXCEPTION_NAME.search(last.group(1)) or len(lines) < 2:
        return None
    frames = [line for line in lines[:-1] if re.match(r'^\s+File ".+", line \d+', line)]
    before = lines[-2]
    return UncaughtException("python", lines[-1]) if frames and before.startswith((" ", "\t")) else None


def _go(lines: list[str], exit_code: int | None) -> UncaughtException | None:
    start = next((i for i in range(len(lines) - 1, -1, -1) if _GO_PANIC.match(lines[i])), None)
    if start is None:
        return None
    # panic: first\n\tpanic: second\n goroutine …: what follows must be the trace
    rest = [line for line in lines[start + 1 :] if line.strip()]
    if not rest and exit_code not in _GO_EXITS:  # other tools say "fatal error: " too
        return None
    if rest and not any(line.startswith(("goroutine ", "[signal ", "\tpanic:", "runtime stack:")) for line in rest[:6]):
        return None
    return (
        UncaughtException("go", lines[start])
        if all(_GO_TRACE.match(x) or x.startswith("\t") for x in rest[-2:])
        else None
    )


def _rust(lines: list[str]) -> UncaughtException | None:
    start = next((i for i in range(len(lines) - 1, -1, -1) if _RUST_PANIC.match(lines[i])), None)
    if start is None:
        return None
    rest = [line for line in lines[start + 1 :] if line.strip() and not _RUST_TRAILER.match(line)]
    if len(rest) > 3 or any(LOG_LINE.match(line) for line in rest):
        return None
    # Since Rust 1.73 the message stands on the next line, before that in quotes on the same one.
    if lines[start].endswith(":") and rest:
        return UncaughtException("rust", f"{PANICKED}{rest[0].strip()}")
    return UncaughtException("rust", lines[start])


def _java(lines: list[str]) -> UncaughtException | None:
    if not _JAVA_TRACE.match(lines[-1]):
        only = _JAVA_FIRST.match(lines[-1])
        return UncaughtException("java", only.group(1)) if only else None
    start = len(lines) - 1
    while start > 0 and _JAVA_TRACE.match(lines[start]):
        start -= 1
    causes = [m.group(1) for line in lines[start:] if (m := _JAVA_CAUSE.match(line))]
    if causes:
        return UncaughtException("java", causes[-1])
    first = _JAVA_FIRST.match(lines[start])
    if first:
        return UncaughtException("java", first.group(1))
    logged_as_survived = start > 0 and HARMLESS_LEVEL.match(lines[start - 1])
    return (
        UncaughtException("java", lines[start]) if _JAVA_BARE.match(lines[start]) and not logged_as_survived else None
    )


def _node(lines: list[str]) -> UncaughtException | None:
    end = len(lines)
    while end > 0 and (_NODE_TRAILER.match(lines[end - 1]) or _WRAPPER.match(lines[end - 1])):
        end -= 1
    if end and (found := _NODE_REJECTION.match(lines[end - 1])):
        return UncaughtException("node", f"{REJECTED}{found.group(1)}")
    first = end
    while first > 0 and _NODE_FRAME.match(lines[first - 1]):
        first -= 1
    if first in (0, end):
        return None
    # The error's message may have several lines: look a few lines up from the first frame.
    for i in range(first - 1, max(-1, first - 6), -1):
        if found := _NODE_REJECTION.match(lines[i]):
            return UncaughtException("node", f"{REJECTED}{found.group(1)}")
        if found := _NODE_ERROR.match(lines[i]):
            return UncaughtException("node", found.group(1))
    return None


def _other(lines: list[str]) -> UncaughtException | None:
    for i in range(len(lines) - 1, max(-1, len(lines) - 40), -1):
        if (found := _DOTNET.match(lines[i])) and all(
            line.lstrip().startswith(("at ", "--->", "---")) for line in lines[i + 1 :]
        ):
            return UncaughtException("dotnet", found.group(1))
        if (found := _RUBY.match(lines[i])) and all(_RUBY_TRAILER.match(line) for line in lines[i + 1 :]):
            return UncaughtException("ruby", found.group(1))
        if (found := _PHP.match(lines[i])) and all(_PHP_TRAILER.match(line) for line in lines[i + 1 :] if line):
            return UncaughtException("php", found.group(1))
        if (found := _JULIA.match(lines[i])) and any(line == "Stacktrace:" for line in lines[i + 1 :]):
            return UncaughtException("julia", found.group(1)) if _all(_JULIA_TRAILER, lines[i + 1 :]) else None
    return _cxx(lines) or _r(lines)


def _all(pattern: re.Pattern[str], lines: list[str]) -> bool:
    return all(pattern.match(line) for line in lines if line.strip())


def _cxx(lines: list[str]) -> UncaughtException | None:
    own = [line for line in lines if not _ABORTED.match(line)]
    if own and (found := _CXX_LLVM.match(own[-1])):
        return UncaughtException("c++", found.group(1))
    what = _CXX_WHAT.match(own[-1]) if own else None
    thrown = _CXX.match(own[-2] if what and len(own) > 1 else own[-1]) if own else None
    if not thrown:
        return None
    name = thrown.group(1) or "terminate called without an active exception"
    return UncaughtException("c++", f"{name}: {what.group(1)}" if what and what.group(1) != name else name)


def _r(lines: list[str]) -> UncaughtException | None:
    """R prints long calls on a line of their own, and the message on the next."""
    if lines[-1] != _R_HALTED:
        return None
    for i in range(len(lines) - 2, max(-1, len(lines) - 12), -1):
        if lines[i].startswith("Error in ") and lines[i].rstrip().endswith(":") and i + 1 < len(lines) - 1:
            return UncaughtException("r", f"{lines[i].strip()} {lines[i + 1].strip()}")
        if found := _R.match(lines[i]):
            return UncaughtException("r", found.group(1))
    return None
