"""PATCH bodies: merge patch (RFC 7396), JSON patch (RFC 6902), and strategic merge for built-in kinds."""

from __future__ import annotations

import re
from typing import Any

import jsonpatch

from embedded_apiserver.errors import ApiError, Object, bad_request

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

# An apply is YAML, which does not allow JSON's surrogate pairs or raw control characters.
_SURROGATE = re.compile(rb"(?<!\\)(?:\\\\)*\\ud[89ab]", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


def check_yaml(body: bytes) -> None:
    """Raises the error of kube-apiserver where its YAML parser rejects what JSON allows."""
    refused = "error decoding YAML: error converting YAML to JSON: yaml: "
    if _SURROGATE.search(body):
        raise bad_request(f"{refused}found invalid Unicode character escape code")
    if _CONTROL.search(body.decode(errors="replace")):
        raise bad_request(f"{refused}control characters are not allowed")


# patchMergeKey of the lists that clients patch; other lists are replaced as a whole.
_MERGE_KEYS = {
    "conditions": "type",
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ownerReferences": "uid",
    "imagePullSecrets": "name",
    "ports": "containerPort",
}
_SETS = frozenset({"finalizers"})


def unsupported(custom: bool) -> ApiError:
    accepted = [JSON, MERGE, *([] if custom else [STRATEGIC]), APPLY]
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return ApiError(415, "UnsupportedMediaType", message)


def merge_patch(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_merge(target: Any, patch: Any) -> Any:
    """Merges maps, and lists with a known key item by item. Supported directives: ``$patch: delete|replace`` and
    ``$setElementOrder`` (ignored); any other is rejected with 422."""
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith("$setElementOrder/"):
            continue
        if key.startswith("$"):
            raise unprocessable()
        if value is None:
            result.pop(key, None)
        elif isinstance(value, list):
            result[key] = _strategic_list(key, result.get(key) or [], value)
        else:
            result[key] = strategic_merge(result.get(key), value)
    return result


def _strategic_list(name: str, target: list[Any], patch: list[Any]) -> list[Any]:
    if name in _SETS:
        return [*target, *(item for item in patch if item not in target)]
    key = _MERGE_KEYS.get(name)
    if key is None:
        return patch
    items = {item.get(key): item for item in target}
    for item in patch:
        if key not in item:
            raise unprocessable()
        if item.get("$patch") == "delete":
            items.pop(item[key], None)
        else:
            items[item[key]] = strategic_merge(items.get(item[key]), item)
    return list(items.values())


def json_patch(target: Object, operations: Any) -> Object:
    """Raises ApiError 422 when an operation cannot be applied or a ``test`` fails, as the API does."""
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        document = jsonpatch.apply_patch(target, operations)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError):
        raise unprocessable() from None
    if not isinstance(document, dict):
        raise unprocessable()
    return document


def unprocessable() -> ApiError:
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})
