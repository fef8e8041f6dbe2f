"""Serves one HTTP request: applies injected faults, calls the reads or writes, and returns JSON."""

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
    decode_object,
    decode_patch,
    drop_connection,
    error_response,
    is_connected,
    json_response,
    send_half,
)
from embedded_apiserver.http.fault_injection import Call, Faults
from embedded_apiserver.http.routing import RequestInfo
from embedded_apiserver.kinds import event_versions
from embedded_apiserver.kinds.registry import Registry
from embedded_apiserver.reads import listing, tables
from embedded_apiserver.reads.listing import Selection
from embedded_apiserver.reads.watch import Watch, WatchOptions
from embedded_apiserver.store import Store
from embedded_apiserver.writes import patches
from embedded_apiserver.writes.deletion import Deletion
from embedded_apiserver.writes.writer import Options, Target, Writer

CALLS_LIMIT = 200_000
PROTOBUF = "application/vnd.kubernetes.protobuf"  # what `kubectl create namespace` sends by default
MAX_BODY = 3 * 1024 * 1024  # bytes, the limit of kube-apiserver


class Handler:
    def __init__(self, store: Store, registry: Registry, faults: Faults, bookmark_interval: float) -> None:
        self.store = store
        self.registry = registry
        self.faults = faults
        self.bookmark_interval = bookmark_interval
        self.deletion = Deletion(store, registry)
        self.writer = Writer(store, registry, self.deletion)
        self.calls: deque[Call] = deque(maxlen=CALLS_LIMIT)
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
                    return drop_connection(request)
                if error := fault.error():
                    raise error
            response = await self._serve(request)
        except ApiError as error:
            response = error_response(error)
        if fault is not None and fault.drop == "after":
            return drop_connection(request)
        if fault is not None and fault.drop == "midway" and isinstance(response, web.Response):
            return await send_half(request, response)
        return response

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        info = routing.parse_path(self.registry, request.path)
        if info is None:
            return self._get_document(request)
        if request.method == "GET":
            if info.name:
                return self._get(request, info)
            if request.query.get("watch") in ("true", "1"):
                return await self._watch(request, info)
            return self._list(request, info)
        return await self._write(request, info)

    # -- reading

    def _get_document(self, request: web.BaseRequest) -> web.Response:
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

    def _get(self, request: web.BaseRequest, info: RequestInfo) -> web.Response:
        stored = self.store.get(info.resource.collection, (info.namespace or "", info.name))
        if stored is None:
            raise not_found(info.resource.subject(info.name))
        return self._object_response(request, info, event_versions.served_form(stored, info.resource))

    def _list(self, request: web.BaseRequest, info: RequestInfo) -> web.Response:
        selection = Selection.parse(info.resource, info.namespace, request.query)
        with self.store.lock:
            items, metadata = listing.list_objects(self.store, selection, request.query)
        shape = listing.shape_of(request.headers.get("Accept", ""))
        include = request.query.get("includeObject", "Metadata")
        return json_response(listing.list_body(items, metadata, info.resource, shape, include))

    async def _watch(self, request: web.BaseRequest, info: RequestInfo) -> web.StreamResponse:
        watch = Watch(
            self.store,
            Selection.parse(info.resource, info.namespace, request.query),
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
            pass  # the client disconnected, or a test dropped the watch
        finally:
            del self.open_watches[watch]
        return response

    # -- writing

    async def _write(self, request: web.BaseRequest, info: RequestInfo) -> web.Response:
        body = await request.read()
        if request.content_type == PROTOBUF:
            raise ApiError(415, "UnsupportedMediaType", "this server supports JSON only, not protobuf")
        if len(body) > MAX_BODY:
            raise ApiError(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
        target = Target(info.resource, info.namespace or "", info.name, info.subresource)
        scoped = not info.resource.namespaced or info.namespace is not None
        if request.method == "POST" and not info.name and scoped:
            options = self._options(request)
            created = self.writer.create(target, decode_object(body, info.resource.kind), options)
            return self._object_response(request, info, created, 201, options)
        if request.method == "PUT" and info.name:
            options = self._options(request)
            existed = self.store.get(info.resource.collection, target.key) is not None
            replaced = self.writer.replace(target, decode_object(body, info.resource.kind), options)
            return self._object_response(request, info, replaced, 200 if existed else 201, options)
        if request.method == "PATCH" and info.name:
            return self._patch(request, info, target, body)
        if request.method == "DELETE" and not info.subresource and scoped:
            options_body = decode_object(body, info.resource.kind) if body else {}
            for name in ("gracePeriodSeconds", "dryRun"):
                if name in request.query:
                    text = request.query[name]
                    options_body = {**options_body, name: int(text) if text.isdigit() else text}
            return self._delete(request, info, options_body)
        message = "the server does not allow this method on the requested resource"
        raise ApiError(405, "MethodNotAllowed", message, {})

    def _patch(self, request: web.BaseRequest, info: RequestInfo, target: Target, body: bytes) -> web.Response:
        options = self._options(request)
        kind = request.content_type
        force = "force" in request.query
        if kind == patches.APPLY:
            if not request.query.get("fieldManager"):
                raise _invalid_patch_options(
                    "FieldValueRequired", "fieldManager", "Required value: is required for apply patch"
                )
            patches.check_yaml(body)
            existed = self.store.get(info.resource.collection, target.key) is not None
            forced = request.query.get("force") in ("true", "1")
            applied = self.writer.apply(target, decode_object(body, info.resource.kind), options, forced)
            return self._object_response(request, info, applied, 200 if existed else 201, options)
        if force:
            raise _invalid_patch_options(
                "FieldValueForbidden", "force", "Forbidden: may not be specified for non-apply patch"
            )
        changes: dict[str, Callable[[Any, Any], Any]] = {
            patches.MERGE: patches.merge_patch,
            patches.JSON: patches.json_patch,
            patches.STRATEGIC: patches.strategic_merge,
        }
        if kind not in changes or (kind == patches.STRATEGIC and info.resource.custom):
            raise patches.unsupported(info.resource.custom)
        patch = decode_patch(body)
        patched = self.writer.update(target, lambda live: changes[kind](live, patch), options)
        return self._object_response(request, info, patched, 200, options)

    def _delete(self, request: web.BaseRequest, info: RequestInfo, options: Object) -> web.Response:
        if info.name:
            key = (info.namespace or "", info.name)
            obj, gone = self.deletion.delete(info.resource, key, options)
            # For pods and namespaces the response is the object, for other kinds a Status once they are gone.
            if not gone or info.resource.kind in ("Pod", "Namespace"):
                return self._object_response(request, info, event_versions.served_form(obj, info.resource))
            return json_response(success(info.resource.subject(info.name), obj["metadata"]["uid"]))
        selection = Selection.parse(info.resource, info.namespace, request.query)
        deleted = []
        for key, stored in self.store.sorted(info.resource.collection, info.namespace):
            if selection(stored):
                obj, _ = self.deletion.delete(info.resource, key, options)
                deleted.append(event_versions.served_form(obj, info.resource))
        metadata = {"resourceVersion": str(self.store.version)}
        return json_response(listing.list_body(deleted, metadata, info.resource, "object", ""))

    def _options(self, request: web.BaseRequest) -> Options:
        agent = request.headers.get("User-Agent", "").partition("/")[0]
        return Options(
            manager=request.query.get("fieldManager") or agent or "unknown",
            field_validation=request.query.get("fieldValidation", "Warn"),
            dry_run=request.query.get("dryRun") == "All",
        )

    def _object_response(
        self,
        request: web.BaseRequest,
        info: RequestInfo,
        obj: Object,
        status: int = 200,
        options: Options | None = None,
    ) -> web.Response:
        shape = listing.shape_of(request.headers.get("Accept", ""))
        if shape == "metadata":
            response = json_response(tables.metadata_only(obj), status)
        else:
            include = request.query.get("includeObject", "Metadata")
            response = json_response(listing.object_body(obj, info.resource, shape, include), status)
        for warning in options.warnings if options else ():
            response.headers.add("Warning", f'299 - "{warning.replace(chr(34), chr(92) + chr(34))}"')
        return response


def _invalid_patch_options(reason: str, field: str, message: str) -> ApiError:
    return invalid(Subject("meta.k8s.io", "PatchOptions", ""), [Cause(field, reason, message)])
