"""Everything that a real cluster has shown: each version of each object, those that are gone too."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from tests.cluster.server import Server
from tests.support.waiting import WAIT_FACTOR

T = TypeVar("T")
Object = dict[str, Any]


class Versions(NamedTuple):
    """Of one object, the oldest first."""

    all: Sequence[Object]
    deleted: bool

    @property
    def newest(self) -> Object:
        return self.all[-1]


class History:
    def __init__(self, server: Server, paths: dict[str, str]) -> None:
        """PATHS: kind → path of its list."""
        self._server = server
        self._paths = paths
        self._versions: dict[str, dict[str, list[Object]]] = {kind: defaultdict(list) for kind in paths}
        self._deleted: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def watching(self) -> Iterator[None]:
        programs = [self._watch(kind, path) for kind, path in self._paths.items()]
        try:
            yield
        finally:
            for program in programs:
                program.terminate()
                program.wait()

    def of(self, kind: str, namespace: str) -> list[Versions]:
        with self._changed:
            return self._of(kind, namespace)

    def wait_for(self, condition: Callable[[], T | None], seconds: float) -> T | None:
        """The condition's first answer but None; it is asked whenever anything has changed. None: not in so many seconds."""
        found: list[T] = []

        def is_met() -> bool:
            answer = condition()
            if answer is not None:
                found.append(answer)
            return answer is not None

        with self._changed:
            self._changed.wait_for(is_met, seconds * WAIT_FACTOR)
        return found[0] if found else None

    def _of(self, kind: str, namespace: str) -> list[Versions]:
        return [
            Versions(tuple(versions), uid in self._deleted)
            for uid, versions in self._versions[kind].items()
            if versions[-1]["metadata"]["namespace"] == namespace
        ]

    def _watch(self, kind: str, path: str) -> subprocess.Popen[str]:
        command = [self._server.kubectl_program, "--kubeconfig", str(self._server.kubeconfig)]
        program = subprocess.Popen([*command, "get", "--raw", f"{path}?watch=1"], stdout=subprocess.PIPE, text=True)
        assert program.stdout is not None
        threading.Thread(target=self._read, args=(kind, program.stdout), daemon=True).start()
        return program

    def _read(self, kind: str, lines: Iterable[str]) -> None:
        for line in lines:
            change = json.loads(line)
            if change["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                continue
            obj = change["object"]
            obj["metadata"].pop("managedFields", None)
            with self._changed:
                uid = obj["metadata"]["uid"]
                self._versions[kind][uid].append(obj)
                if change["type"] == "DELETED":
                    self._deleted.add(uid)
                self._changed.notify_all()
