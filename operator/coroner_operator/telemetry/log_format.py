"""The format of all log records, those of kopf and other libraries included. Secrets are redacted."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

import msgspec

from coroner_categorizer.redaction.sanitize import safe_text

# kopf logs every handler call at INFO; the client library warns about a kubeconfig whose error we report ourselves.
_LIBRARIES = {
    "kopf": logging.WARNING,
    "aiohttp": logging.WARNING,
    "asyncio": logging.WARNING,
    "kubernetes": logging.ERROR,
}
_JSON = msgspec.json.Encoder()
_ESCAPES = str.maketrans({"\n": "\\n", "\t": "\\t"})

_LINE_LIMIT = 16_384  # characters of one record, its traceback included


def _safe(text: str) -> str:
    return safe_text(text, _LINE_LIMIT)


class TextFormatter(logging.Formatter):
    """``2026-11-22T02:12:00.123Z INFO coroner.list_watch: pods: watching``, a record on one line.

    Line breaks of the message are shown as ``\\n``, and a traceback follows on indented lines: text from the cluster
    cannot look like a record of its own.
    """

    def format(self, record: logging.LogRecord) -> str:
        message = _safe(record.getMessage()).translate(_ESCAPES)
        line = f"{_time(record)} {record.levelname} {record.name}: {message}"
        if not record.exc_info:
            return line
        trace = _safe(self.formatException(record.exc_info))
        return "\n  ".join((line, *trace.split("\n")))


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message and, for an exception, trace."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            # Redacted before quoting: escapes would hide a secret from the redactor.
            "message": _safe(record.getMessage()),
        }
        if record.exc_info:
            entry["trace"] = _safe(self.formatException(record.exc_info))
        return _JSON.encode(entry).decode()


def configure_logging(form: Literal["text", "json"], level: str, stream: TextIO | None = None) -> None:
    """All loggers write to ``stream`` (default: stderr) in ``form``; ours from ``level`` up."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, minimum in _LIBRARIES.items():
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else minimum)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
