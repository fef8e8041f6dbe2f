"""``EmbeddedApiServer``: start, stop, and what a test may do to it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import yaml
from aiohttp import web

from embedded_apiserver.errors import Object, expired
from embedded_apiserver.http.fault_injection import Call, Faults
from embedded_apiserver.http.handler import Handler
from embedded_apiserver.kinds import crds, event_versions
from embedded_apiserver.kinds.registry import Registry
from embedded_apiserver.kinds.resource import Resource
from embedded_apiserver.store import Store
from embedded_apiserver.writes import metadata

BOOKMARK_INTERVAL = 1.0  # seconds; a real server sends about one a minute, too long for tests to wait
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class EmbeddedApiServer:
    """A Kubernetes API on 127.0.0.1, in this process: plain HTTP, no authentication, nothing on disk.

    ``async with EmbeddedApiServer() as server`` runs it in the current event loop, ``running_server()`` in a thread of
    its own. All methods that are not coroutines may be called from any thread.
    """

    def __init__(self, *, port: int = 0, bookmark_interval: float = BOOKMARK_INTERVAL) -> None:
        """``port`` 0: any free port, kept across ``stop`` and ``start``."""
        self.store = Store()
        self.registry = Registry()
        self.faults = Faults()
        self._handler = Handler(self.store, self.registry, self.faults, bookmark_interval)
        self._port = port
        self._runner: web.ServerRunner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.store.on_change(self._wake)
        for name in NAMESPACES:
            self.create_namespace(name)

    # -- start and stop

    async def start(self) -> None:
        """Starts listening. After ``stop``: on the same port, with everything that was stored."""
        self._loop = asyncio.get_running_loop()
        runner = web.ServerRunner(web.Server(self._handler, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port, reuse_address=True, backlog=1024)
        await site.start()
        self._port = runner.addresses[0][1]
        self._runner = runner

    async def stop(self) -> None:
        """Refuses connections and closes the open ones, like a server that is down. Stored objects are kept."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        self._abort_watches()
        await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def kubeconfig(self, path: Path | str) -> Path:
        """Writes a kubeconfig for this server, and returns its path."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "embedded", "cluster": {"server": self.url}}],
            "users": [{"name": "embedded", "user": {}}],
            "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "embedded"}}],
            "current-context": "embedded",
        }
        Path(path).write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        return Path(path)

    # -- objects, written as the kubelet and the controllers would write them

    def put(self, obj: Mapping[str, Any]) -> Object:
        """Creates or replaces the whole object, status included; returns it as stored (read only).

        No validation, no field ownership. The namespace defaults to "default" and need not exist; uid and
        creationTimestamp are kept if given, else those of the existing object, else new. Raises LookupError for a
        kind that is not served.
        """
        copied: Object = msgspec.json.decode(msgspec.json.encode(obj))
        resource = self.registry.of_object(copied)
        if resource is None:
            raise LookupError(f"not served: {copied.get('apiVersion')} {copied.get('kind')}")
        if resource.collection == crds.COLLECTION:
            copied = crds.with_defaults(copied)
        with self.store.lock:
            own = copied.setdefault("metadata", {})
            if resource.namespaced:
                own.setdefault("namespace", "default")
            if not own.get("name"):
                own["name"] = metadata.generated_name(own["generateName"])
            key = (own.get("namespace", "") if resource.namespaced else "", own["name"])
            live = self.store.get(resource.collection, key)
            system = live["metadata"] if live else {"uid": metadata.new_uid(), "creationTimestamp": metadata.now()}
            kept = {name: system[name] for name in ("uid", "creationTimestamp", "generation") if name in system}
            if resource.has_generation:
                kept.setdefault("generation", 1)
            copied["metadata"] = {**kept, **own}
            return self._handler.writer.put(resource, key, copied)

    def delete(self, kind: str, name: str, namespace: str = "default", *, api_version: str | None = None) -> Object:
        """Removes the object immediately, ignoring finalizers and grace period, and returns its last state.

        ``kind``: "Pod", "FailureReport", ...; ``api_version`` where the kind alone is ambiguous. Raises LookupError.
        """
        resource = self._resource(kind, api_version)
        key = (namespace if resource.namespaced else "", name)
        with self.store.lock:
            return event_versions.served_form(self._handler.deletion.remove(resource, key), resource)

    def get(self, kind: str, name: str, namespace: str = "default", *, api_version: str | None = None) -> Object | None:
        """The object as stored (read only), or None."""
        resource = self._resource(kind, api_version)
        stored = self.store.get(resource.collection, (namespace if resource.namespaced else "", name))
        return None if stored is None else event_versions.served_form(stored, resource)

    def objects(self, kind: str, namespace: str | None = None, *, api_version: str | None = None) -> list[Object]:
        """All objects of the kind (read only), sorted by namespace and name."""
        resource = self._resource(kind, api_version)
        return [
            event_versions.served_form(stored, resource)
            for _, stored in self.store.sorted(resource.collection, namespace)
        ]

    def create_namespace(self, name: str) -> Object:
        labels = {"kubernetes.io/metadata.name": name}
        return self.put(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": labels},
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            }
        )

    def load(self, *paths: Path | str) -> None:
        """Puts every object from YAML files, or from the YAML files in folders (CRDs, for example)."""
        for path in map(Path, paths):
            for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
                for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                    if document:
                        self.put(document)

    # -- observation

    @property
    def calls(self) -> list[Call]:
        """Every request so far, oldest first."""
        return list(self._handler.calls)

    @property
    def watch_count(self) -> int:
        """Number of open watches."""
        return len(self._handler.open_watches)

    # -- failures that do not concern a single request (for those, see ``faults``)

    def compact(self) -> None:
        """Older resourceVersions and continue tokens get 410 from now on; open watches continue."""
        self.store.compact()

    def drop_watches(self) -> None:
        """Cuts the connection of every open watch, as a load balancer does."""
        self._in_loop(self._abort_watches)

    def expire_watches(self) -> None:
        """Every open watch gets an ERROR event with code 410 and ends; a new watch from an old version gets 410 too."""
        self.compact()
        self._in_loop(self._expire_watches)

    def silence_watches(self) -> None:
        """Open watches stay open but send nothing more, not even bookmarks. New watches are not affected."""
        self._in_loop(self._silence_watches)

    def _abort_watches(self) -> None:
        for watch, request in list(self._handler.open_watches.items()):
            watch.signals.closed = True
            if request.transport is not None:
                request.transport.abort()
        self._wake_all()

    def _expire_watches(self) -> None:
        for watch in self._handler.open_watches:
            watch.signals.error = expired("The resourceVersion for the provided watch is too old.")
        self._wake_all()

    def _silence_watches(self) -> None:
        for watch in self._handler.open_watches:
            watch.signals.stalled = True

    def _wake(self) -> None:
        if self._handler.open_watches:
            self._in_loop(self._wake_all)

    def _wake_all(self) -> None:
        for watch in self._handler.open_watches:
            watch.signals.changed.set()

    def _in_loop(self, action: Any) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is loop:
            action()
        else:
            loop.call_soon_threadsafe(action)

    def _resource(self, kind: str, api_version: str | None) -> Resource:
        for resource in self.registry:
            if resource.kind == kind and api_version in (None, resource.api_version):
                return resource
        raise LookupError(f"not served: {api_version or ''} {kind}")


class ServerThread:
    """A server in a thread of its own, for callers without an event loop."""

    def __init__(self, server: EmbeddedApiServer) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="embedded-apiserver", daemon=True)
        self._thread.start()

    def start(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.start(), self._loop).result(timeout=10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(timeout=10)

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()


@contextlib.contextmanager
def running_server(server: EmbeddedApiServer | None = None) -> Iterator[EmbeddedApiServer]:
    """``with running_server() as server``: runs the server in a thread of its own until the block ends."""
    thread = ServerThread(server or EmbeddedApiServer())
    try:
        thread.start()
        yield thread.server
    finally:
        thread.close()
