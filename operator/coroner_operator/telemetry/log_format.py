"""Log records of ours, of kopf and of every library: one format, and nothing that the redactor would hide."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

import msgspec

from coroner_categorizer.redaction.sanitize import safe_text

# kopf tells every handler call at INFO; the client library warns of a kubeconfig that we complain about ourselves.
_LIBRARIES = {
    "kopf": logging.WARNING,
    "aiohttp": logging.WARNING,
    "asyncio": logging.WARNING,
    "kubernetes": logging.ERROR,
}
_JSON = msgspec.json.Encoder()


_LINE_LIMIT = 16_384  # characters of one record, its traceback included


def _safe(text: str) -> str:
    return safe_text(text, _LINE_LIMIT)


class TextFormatter(logging.Formatter):
    """``2026-11-22T02:12:00.123Z INFO coroner.streams: pods: watching``; a traceback follows on its own lines."""

    def format(self, record: logging.LogRecord) -> str:
        return _safe(f"{_time(record)} {record.levelname} {record.name}: {self._message(record)}")

    def _message(self, record: logging.LogRecord) -> str:
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return record.getMessage() + trace


class JsonFormatter(TextFormatter):
    """One JSON object a line: time, level, logger, message and, with an exception, trace."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            # Redacted before it is quoted: escapes would hide a secret's shape from the redactor.
            "message": _safe(record.getMessage()),
        }
        if record.exc_info:
            entry["trace"] = _safe(self.formatException(record.exc_info))
        return _JSON.encode(entry).decode()


def configure_logging(form: Literal["text", "json"], level: str, stream: TextIO | None = None) -> None:
    """All loggers write to ``stream`` (default: stderr) in ``form``, ours from ``level`` on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _LIBRARIES.items():
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else least)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
