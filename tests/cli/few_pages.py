"""An API server that answers GET from a table."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Answer = dict[str, Any] | int | bytes
"""An object, the HTTP status of a refusal, or a body as it is."""


class FewPages:
    """Lists come two objects a page; everything else as it is in ``answers``, and 404 for what is not there."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.lists: dict[str, list[dict[str, Any]]] = {}
        self.refusals: dict[str, str] = {}
        """What the server says of an error, where that matters."""
        self.asked: list[str] = []
        self.address = ""

    def answer(self, path: str, query: dict[str, list[str]]) -> Answer:
        if path in self.answers:
            return self.answers[path]
        if path in self.lists:
            start = int(query.get("continue", ["0"])[0])
            rest = {"continue": str(start + 2)} if len(self.lists[path]) > start + 2 else {}
            return {"kind": "List", "apiVersion": "v1", "metadata": rest, "items": self.lists[path][start : start + 2]}
        return 404


@contextmanager
def serving() -> Iterator[FewPages]:
    """A running one."""
    pages = FewPages()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            pages.asked.append(self.path)
            answer = pages.answer(url.path, parse_qs(url.query))
            status = answer if isinstance(answer, int) else 200
            message = pages.refusals.get(url.path, f"refused with\n{status}")
            refusal = {"kind": "Status", "apiVersion": "v1", "message": message, "code": status}
            body = (
                answer
                if isinstance(answer, bytes)
                else json.dumps(refusal if isinstance(answer, int) else answer).encode()
            )
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        pages.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield pages
        server.shutdown()
        thread.join()


def kubeconfig(path: Path, server: str) -> Path:
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "ml"}}],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )
    return path
