"""The uncaught exception or panic that a termination message ends with.

A termination message is the tail of a log (at most 4,096 bytes, cut at the front). A traceback that was logged and
survived is not the cause, so only a trace at the *end* of the text counts: nothing but blank or trailer lines after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coroner_categorizer.termination_message.runtimes import cpp, declared_traces, go, java, node, python, r, rust
from coroner_categorizer.termination_message.runtimes.trace import UncaughtException
from coroner_categorizer.vocabulary.phrases import VOCABULARY, Phrases

_LINE_LIMIT = 600  # characters of a line that are read; at the end of such lines, joblib says how its worker ended
_OOM_SYMPTOMS = Phrases(VOCABULARY.oom_symptoms)

# A new runtime is an entry of vocabulary/stack_traces.yaml, or a module of runtimes/ and one entry here. The first that
# recognizes the end of the message decides.
_READERS: tuple[Callable[[Sequence[str], int | None], UncaughtException | None], ...] = (
    python.find,
    go.find,
    rust.find,
    java.find,
    node.find,
    declared_traces.find,
    cpp.find,
    r.find,
)


def find_uncaught_exception(message: str, exit_code: int | None = None) -> UncaughtException | None:
    """The uncaught exception or panic that the message ends with; None where it ends with anything else.

    ``exit_code``: a runtime ends with a code of its own then; with another one the exception was survived. None =
    not known.
    """
    lines = [line[:_LINE_LIMIT].rstrip() for line in message.replace("\r\n", "\n").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return next((found for read in _READERS if (found := read(lines, exit_code))), None) if lines else None


def is_oom_symptom(exception: UncaughtException) -> bool:
    """Whether it only reports what an OOM kill does: a child that was killed, or memory that was not given."""
    return exception.line.startswith(python.WRAPPER_EXCEPTIONS) or _OOM_SYMPTOMS.found_in(exception.line)
