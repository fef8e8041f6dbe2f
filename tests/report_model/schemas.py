"""The shipped CRD, and whether an object keeps to it as strictly as the API server would."""

import re
from pathlib import Path
from typing import Any

import yaml
from openapi_schema_validator import OAS30Validator

CRD_PATH = Path(__file__).parents[2] / "crds" / "failurereports.coroner.dev.yaml"
CRD: dict[str, Any] = yaml.safe_load(CRD_PATH.read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def is_name(text: str) -> bool:
    return len(text) <= 253 and _DNS_SUBDOMAIN.fullmatch(text) is not None


def is_label_value(text: str) -> bool:
    return len(text) <= 63 and _LABEL_VALUE.fullmatch(text) is not None


def faults(obj: dict[str, Any]) -> list[str]:
    """What the API server would refuse, or drop without a word."""
    validator = OAS30Validator(_closed(SCHEMA))
    found = [f"{'.'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in validator.iter_errors(obj)]
    if not is_name(obj["metadata"]["name"]):
        found.append("metadata.name")
    return [*found, *(f"label {k}" for k, v in obj["metadata"]["labels"].items() if not is_label_value(v))]


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema, refusing what it does not declare; metadata is not ours to check."""
    closed = {k: v for k, v in schema.items() if not k.startswith("x-")}
    if "properties" in schema:
        closed["properties"] = {name: _closed(part) for name, part in schema["properties"].items()}
        closed["additionalProperties"] = False
    if "items" in schema:
        closed["items"] = _closed(schema["items"])
    return closed
