"""Request and response bodies: JSON or YAML in, JSON and Status out, and connections that are broken on purpose."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
import yaml
from aiohttp import web

from embedded_apiserver.errors import ApiError, Object, bad_request


class _NoTimestampLoader(yaml.SafeLoader):
    """YAML as the API reads it: a timestamp stays a string."""


_NoTimestampLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def decode_object(body: bytes, kind: str) -> Object:
    """JSON, or YAML as an apply may send it. Raises ApiError 400."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError as fault:
        try:
            value = yaml.load(body, Loader=_NoTimestampLoader)
        except yaml.YAMLError:
            value = None
        if not isinstance(value, dict):
            raise bad_request(
                f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; "
                f"json parse error: {fault} ({body[:40].decode(errors='replace') or '<empty>'})"
            ) from None
    if not isinstance(value, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {kind}): not an object")
    return value


def decode_patch(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as fault:
        raise bad_request(f"error decoding patch: {fault}") from None


def json_response(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def error_response(error: ApiError) -> web.Response:
    response = json_response(error.body(), error.code)
    if error.code in HTTPStatus._value2member_map_:
        response.set_status(error.code, HTTPStatus(error.code).phrase)
    if error.details and "retryAfterSeconds" in error.details:
        response.headers["Retry-After"] = str(error.details["retryAfterSeconds"])
    return response


def is_connected(request: web.BaseRequest) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def drop_connection(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def send_half(request: web.BaseRequest, response: web.Response) -> web.StreamResponse:
    """Sends the headers and half of the body, then closes the connection."""
    body = response.body if isinstance(response.body, bytes) else b""
    broken = web.StreamResponse(status=response.status, headers={"Content-Type": "application/json"})
    broken.content_length = len(body)
    try:
        await broken.prepare(request)
        await broken.write(body[: len(body) // 2])
    except ConnectionError:
        return broken
    if request.transport is not None:
        request.transport.close()
    return broken
