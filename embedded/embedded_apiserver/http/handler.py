"""HTTP in, HTTP out: one request is read, faults are looked up, the right part does the work, JSON goes back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web

from embedded_apiserver.errors import ApiError, Cause, Object, Subject, invalid, not_found, success
from embedded_apiserver.http import discovery, routing
from embedded_apiserver.http.bodies import (
    dropped,
    error_response,
    half,
    is_connected,
    json_response,
    parsed,
    parsed_patch,
)
from embedded_apiserver.http.fault_injection import Call, Faults
from embedded_apiserver.http.routing import Place
from embedded_apiserver.kinds import event_versions
from embedded_apiserver.kinds.registry import Registry
from embedded_apiserver.reads import listing, tables
from embedded_apiserver.reads.listing import Selection
from embedded_apiserver.reads.watch import Watch, WatchOptions
from embedded_apiserver.store import Store
from embedded_apiserver.writes import patches
from embedded_apiserver.writes.deletion import Deletion
from embedded_apiserver.writes.writer import Options, Target, Writer

CALLS_KEPT = 200_000
PROTOBUF = "application/vnd.kubernetes.protobuf"  # what `kubectl create namespace` sends, without being asked
MAX_BODY = 3 * 1024 * 1024  # bytes, as the API's own limit


class Handler:
    def __init__(self, store: Store, registry: Registry, faults: Faults, bookmark_interval: float) -> None:
        self.store = store
        self.registry = registry
        self.faults = faults
        self.bookmark_interval = bookmark_interval
        self.deletion = Deletion(store, registry)
        self.writer = Writer(store, registry, self.deletion)
        self.calls: deque[Call] = deque(maxlen=CALLS_KEPT)
        self.open_watches: dict[Watch, web.BaseRequest] = {}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        call = Call(
            request.method,
            request.path,
            request.query_string,
            request.content_type,
            request.headers.get("User-Agent", ""),
        )
        self.calls.append(call)
        fault = self.faults.take(call)
        if fault is not None and fault.delay:
            await asyncio.sleep(fault.delay)
        try:
            if fault is not None:
                if fault.drop == "before":
                    return dropped(request)
                if error := fault.error():
                    raise error
            response = await self._answer(request)
        except ApiError as error:
            response = error_response(error)
        if fault is not None and fault.drop == "after":
            return dropped(request)
        if fault is not None and fault.drop == "midway" and isinstance(response, web.Response):
            return await half(request, response)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        place = routing.place(self.registry, request.path)
        if place is None:
            return self._document(request)
        if request.method == "GET":
            if place.name:
                return self._get(request, place)
            if request.query.get("watch") in ("true", "1"):
                return await self._watch(request, place)
            return self._list(request, place)
        return await self._write(request, place)

    # -- reading

    def _document(self, request: web.BaseRequest) -> web.Response:
        path = request.path.rstrip("/")
        if path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        documents: dict[str, Callable[[], Object]] = {
            "/version": lambda: discovery.VERSION,
            "/api": partial(discovery.api_versions, request.host),
            "/apis": partial(discovery.group_list, self.registry),
            "/openapi/v2": discovery.openapi_v2,
            "/openapi/v3": partial(discovery.openapi_v3, self.registry),
        }
        if path in documents:
            return json_response(documents[path]())
        described = path.removeprefix("/openapi/v3")
        found = routing.group_version(described)
        if found and not found[2]:
            group, version, _ = found
            listed = discovery.resource_list(self.registry, group, version)
            if listed is not None and described == path:
                return json_response(listed)
            if listed is not None:
                return json_response(discovery.openapi_v3_document(self.registry, group, version))
        name = path.removeprefix("/apis/")
        if name in self.registry.groups() and name:
            described_group = discovery.api_group(name, self.registry.groups()[name])
            return json_response({"kind": "APIGroup", "apiVersion": "v1", **described_group})
        return web.Response(status=404, text="404 page not found\n")

    def _get(self, request: web.BaseRequest, place: Place) -> web.Response:
        stored = self.store.get(place.resource.collection, (place.namespace or "", place.name))
        if stored is None:
            raise not_found(place.resource.subject(place.name))
        return self._shown(request, place, event_versions.served_form(stored, place.resource))

    def _list(self, request: web.BaseRequest, place: Place) -> web.Response:
        selection = Selection.parse(place.resource, place.namespace, request.query)
        with self.store.lock:
            items, metadata = listing.list_objects(self.store, selection, request.query)
        shape = listing.shape_of(request.headers.get("Accept", ""))
        include = request.query.get("includeObject", "Metadata")
        return json_response(listing.list_body(items, metadata, place.resource, shape, include))

    async def _watch(self, request: web.BaseRequest, place: Place) -> web.StreamResponse:
        watch = Watch(
            self.store,
            Selection.parse(place.resource, place.namespace, request.query),
            WatchOptions.parse(request.query),
            listing.shape_of(request.headers.get("Accept", "")),
            request.query.get("includeObject", "Metadata"),
        )
        response = web.StreamResponse(
            headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        )
        response.enable_chunked_encoding()
        self.open_watches[watch] = request
        try:
            await response.prepare(request)
            async for chunk in watch.lines(self.bookmark_interval, lambda: is_connected(request)):
                await response.write(chunk)
            await response.write_eof()
        except ConnectionError:
            pass  # the client went away, or the watch was dropped on demand
        finally:
            del self.open_watches[watch]
        return response

    # -- writing

    async def _write(self, request: web.BaseRequest, place: Place) -> web.Response:
        body = await request.read()
        if request.content_type == PROTOBUF:
            raise ApiError(415, "UnsupportedMediaType", "this server speaks JSON only, not protobuf")
        if len(body) > MAX_BODY:
            raise ApiError(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
        target = Target(place.resource, place.namespace or "", place.name, place.subresource)
        scoped = not place.resource.namespaced or place.namespace is not None
        if request.method == "POST" and not place.name and scoped:
            options = self._options(request)
            created = self.writer.create(target, parsed(body, place.resource.kind), options)
            return self._shown(request, place, created, 201, options)
        if request.method == "PUT" and place.name:
            options = self._options(request)
            existed = self.store.get(place.resource.collection, target.key) is not None
            replaced = self.writer.replace(target, parsed(body, place.resource.kind), options)
            return self._shown(request, place, replaced, 200 if existed else 201, options)
        if request.method == "PATCH" and place.name:
            return self._patch(request, place, target, body)
        if request.method == "DELETE" and not place.subresource and scoped:
            options_body = parsed(body, place.resource.kind) if body else {}
            for name in ("gracePeriodSeconds", "dryRun"):
                if name in request.query:
                    text = request.query[name]
                    options_body = {**options_body, name: int(text) if text.isdigit() else text}
            return self._delete(request, place, options_body)
        message = "the server does not allow this method on the requested resource"
        raise ApiError(405, "MethodNotAllowed", message, {})

    def _patch(self, request: web.BaseRequest, place: Place, target: Target, body: bytes) -> web.Response:
        options = self._options(request)
        kind = request.content_type
        force = "force" in request.query
        if kind == patches.APPLY:
            if not request.query.get("fieldManager"):
                raise _patch_options(
                    "FieldValueRequired", "fieldManager", "Required value: is required for apply patch"
                )
            patches.check_yaml(body)
            existed = self.store.get(place.resource.collection, target.key) is not None
            forced = request.query.get("force") in ("true", "1")
            applied = self.writer.apply(target, parsed(body, place.resource.kind), options, forced)
            return self._shown(request, place, applied, 200 if existed else 201, options)
        if force:
            raise _patch_options("FieldValueForbidden", "force", "Forbidden: may not be specified for non-apply patch")
        changes: dict[str, Callable[[Any, Any], Any]] = {
            patches.MERGE: patches.merge_patch,
            patches.JSON: patches.json_patch,
            patches.STRATEGIC: patches.strategic_merge,
        }
        if kind not in changes or (kind == patches.STRATEGIC and place.resource.custom):
            raise patches.unsupported(place.resource.custom)
        patch = parsed_patch(body)
        patched = self.writer.update(target, lambda live: changes[kind](live, patch), options)
        return self._shown(request, place, patched, 200, options)

    def _delete(self, request: web.BaseRequest, place: Place, options: Object) -> web.Response:
        if place.name:
            key = (place.namespace or "", place.name)
            obj, gone = self.deletion.delete(place.resource, key, options)
            # Pods and namespaces come back as the object, other kinds as a Status once they are gone.
            if not gone or place.resource.kind in ("Pod", "Namespace"):
                return self._shown(request, place, event_versions.served_form(obj, place.resource))
            return json_response(success(place.resource.subject(place.name), obj["metadata"]["uid"]))
        selection = Selection.parse(place.resource, place.namespace, request.query)
        deleted = []
        for key, stored in self.store.sorted(place.resource.collection, place.namespace):
            if selection(stored):
                obj, _ = self.deletion.delete(place.resource, key, options)
                deleted.append(event_versions.served_form(obj, place.resource))
        metadata = {"resourceVersion": str(self.store.version)}
        return json_response(listing.list_body(deleted, metadata, place.resource, "object", ""))

    def _options(self, request: web.BaseRequest) -> Options:
        agent = request.headers.get("User-Agent", "").partition("/")[0]
        return Options(
            manager=request.query.get("fieldManager") or agent or "unknown",
            field_validation=request.query.get("fieldValidation", "Warn"),
            dry_run=request.query.get("dryRun") == "All",
        )

    def _shown(
        self, request: web.BaseRequest, place: Place, obj: Object, status: int = 200, options: Options | None = None
    ) -> web.Response:
        shape = listing.shape_of(request.headers.get("Accept", ""))
        if shape == "metadata":
            response = json_response(tables.metadata_only(obj), status)
        else:
            include = request.query.get("includeObject", "Metadata")
            response = json_response(listing.object_body(obj, place.resource, shape, include), status)
        for warning in options.warnings if options else ():
            response.headers.add("Warning", f'299 - "{warning.replace(chr(34), chr(92) + chr(34))}"')
        return response


def _patch_options(reason: str, field: str, message: str) -> ApiError:
    return invalid(Subject("meta.k8s.io", "PatchOptions", ""), [Cause(field, reason, message)])
