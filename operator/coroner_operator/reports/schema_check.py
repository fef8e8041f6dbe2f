"""Whether a served CRD knows every field that this code writes.

What the schema does not declare, the API server drops silently: an operator that is newer than the CRD would
lose its new fields. So they are compared before the first write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from coroner_operator.model import sample_reports
from coroner_operator.model.report_codec import VERSION, to_object, to_status

Path = tuple[str, ...]
"""Names of fields from the root; ``[]`` stands for the items of a list."""


def written_fields() -> frozenset[Path]:
    """Every field of a FailureReport that the code can write, metadata aside."""
    reports = (
        sample_reports.failing(),
        sample_reports.ended_from_outside(),
        sample_reports.recovered(),
        sample_reports.deleted(),
    )
    paths: set[Path] = set()
    for report in reports:
        paths |= set(paths_of({"spec": to_object(report)["spec"], "status": to_status(report)}))
    return frozenset(paths)


def missing_fields(
    crd: Mapping[str, Any], written: Iterable[Path], version: str = VERSION
) -> dict[str, tuple[str, ...]]:
    """By served version, the fields (``status.history[].exitCode``) that it lacks; empty where none lacks any.

    ``crd``: the CustomResourceDefinition as the API server serves it. The version that the code writes must be
    served: where it is not, the answer has it with the one field ``""``. The version that is stored counts even
    where it is not served, because what is written in another one is pruned to it.
    """
    missing: dict[str, tuple[str, ...]] = {}
    versions = [v for v in crd.get("spec", {}).get("versions", ()) if v.get("served") or v.get("storage")]
    if not any(v.get("name") == version and v.get("served") for v in versions):
        missing[version] = ("",)
    ordered = sorted(written)
    for served in versions:
        schema = served.get("schema", {}).get("openAPIV3Schema", {})
        lacking = _topmost(path for path in ordered if not declares(schema, path))
        has_status = "status" in (served.get("subresources") or {})
        if not has_status:
            lacking = ("status subresource", *lacking)
        if lacking:
            missing[served["name"]] = lacking
    return missing


def describe(crd_name: str, missing: Mapping[str, tuple[str, ...]]) -> str:
    """For the log and the readiness probe: what is missing where, and what to run. "" where nothing is."""
    if not missing:
        return ""
    faults = (
        f"version {version} is not served" if fields == ("",) else f"{', '.join(fields)} in version {version}"
        for version, fields in sorted(missing.items())
    )
    return (
        f"CustomResourceDefinition {crd_name} is older than this operator; missing: {'; '.join(faults)}. "
        "Upgrade the chart with its CRDs, or run: kubectl apply --server-side -f crds/"
    )


def paths_of(value: Any, at: Path = ()) -> Iterator[Path]:
    """Every field of a JSON-shaped value."""
    match value:
        case dict():
            for name, part in value.items():
                yield (*at, name)
                yield from paths_of(part, (*at, name))
        case list():
            for part in value:
                yield from paths_of(part, (*at, "[]"))


def declared_fields(schema: Mapping[str, Any], at: Path = ()) -> Iterator[Path]:
    """Every field that a structural schema declares."""
    for name, part in schema.get("properties", {}).items():
        yield (*at, name)
        yield from declared_fields(part, (*at, name))
    if "items" in schema:
        yield from declared_fields(schema["items"], (*at, "[]"))


def declares(schema: Mapping[str, Any], path: Path) -> bool:
    """Whether a field at ``path`` would be kept by the API server."""
    if not path or schema.get("x-kubernetes-preserve-unknown-fields"):
        return True
    name, rest = path[0], path[1:]
    if name == "[]":
        part = schema.get("items")
    else:
        part = schema.get("properties", {}).get(name)
        if part is None and schema.get("additionalProperties"):
            part = schema["additionalProperties"]
            if part is True:
                return True
    return isinstance(part, Mapping) and declares(part, rest)


def _topmost(paths: Iterable[Path]) -> tuple[str, ...]:
    """As text, without the fields of a field that is missing itself. ``paths`` sorted."""
    top: list[Path] = []
    for path in paths:
        if not (top and path[: len(top[-1])] == top[-1]):
            top.append(path)
    return tuple(".".join(path).replace(".[]", "[]") for path in top)
