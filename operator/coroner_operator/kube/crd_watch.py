"""One CustomResourceDefinition, watched by its name: its state, its absence, or that reading it is forbidden.

The name of a kind's CRD is known (``<resource>.<group>``), so only the relevant ones are requested: a cluster may have
hundreds, each of up to a megabyte, and a role can allow single ones by name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError, Forbidden
from coroner_operator.kube.list_watch import ListWatch, WatchMetrics
from coroner_operator.kube.paths import field_selector
from coroner_operator.kube.resources import CUSTOM_RESOURCE_DEFINITION

log = logging.getLogger("coroner.crd_watch")

FORBIDDEN_RETRY = 300.0  # s; a role is changed by a person

Crd = Mapping[str, Any]


class _Object(msgspec.Struct, frozen=True):
    spec: dict[str, Any] = {}


class CrdWatch:
    """``run()`` ends only by cancellation; ``on_change`` is called with each state, None = the CRD does not exist."""

    def __init__(
        self,
        client: Client,
        name: str,
        *,
        on_change: Callable[[Crd | None], None],
        on_forbidden: Callable[[], None],
        metrics: WatchMetrics,
        back_off: BackOff | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        """``on_forbidden`` is called once, before the first success, if the CRD may not be read."""
        self.name = name
        self.answered = asyncio.Event()
        """The API server has said whether the CRD exists, or that it may not be read."""
        self._client = client
        self._selector = {"fieldSelector": field_selector({"metadata.name": name})}
        self._on_change = on_change
        self._on_forbidden = on_forbidden
        self._sleep = sleep
        self._list_watch = ListWatch(
            client,
            "customresourcedefinitions",
            CUSTOM_RESOURCE_DEFINITION.path(),
            _Object,
            consumer=self,
            metrics=metrics,
            selector=self._selector,
            back_off=back_off,
            sleep=sleep,
        )

    async def run(self) -> None:
        reported = False
        while not await self._is_readable():
            if not reported:
                reported = True
                self._on_forbidden()
                self.answered.set()
            await self._sleep(FORBIDDEN_RETRY)
        await self._list_watch.run()

    def on_update(self, crd: _Object) -> None:
        self._on_change({"spec": crd.spec})

    def on_delete(self, crd: _Object) -> None:
        self._on_change(None)

    def on_list(self, namespace: str | None, uids: set[str]) -> None:
        if not uids:
            self._on_change(None)
        self.answered.set()

    async def _is_readable(self) -> bool:
        try:
            await self._client.get(CUSTOM_RESOURCE_DEFINITION.path(), {**self._selector, "limit": 1})
        except Forbidden as error:
            log.debug("%s: %s", self.name, error)
            return False
        except ApiError:
            pass  # the list-watch logs it, and retries
        return True
