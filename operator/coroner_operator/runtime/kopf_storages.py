"""Storages that store nothing, for kopf.

kopf keeps a diff base and a progress record of every object for handlers that change objects. Ours only look; the deep
copies for it were a sixth of the CPU of a burst.
"""

from __future__ import annotations

from typing import Any

import kopf


class NoDiffBase(kopf.DiffBaseStorage):
    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None: ...

    def store(self, **_: Any) -> None: ...


class NoProgress(kopf.ProgressStorage):
    def fetch(self, **_: Any) -> None: ...

    def store(self, **_: Any) -> None: ...

    def purge(self, **_: Any) -> None: ...

    def touch(self, **_: Any) -> None: ...

    def clear(self, *, essence: Any) -> Any:
        return essence
