"""What is known of the custom kinds of well-known controllers: ``presets.yaml``, which says what each field means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, Literal

import msgspec
import yaml

Scope = Literal["Namespaced", "Cluster"]
Outcome = Literal["failed", "succeeded"]

_SEGMENT = re.compile(r"([^.\[\]]+)(?:\[([^\]]+)\])?")


class EndState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field that says whether an object has ended for good."""

    path: str
    """Fields joined by ".": ``status.phase``, ``status.conditions[Failed].status``."""
    failed: tuple[str, ...] = ()
    """Values of the field."""
    succeeded: tuple[str, ...] = ()

    def outcome(self, obj: Mapping[str, Any]) -> Outcome | None:
        """How the object has ended; None: it has not, or does not say so here."""
        value = self._value(obj)
        if not isinstance(value, str):
            return None
        return "failed" if value in self.failed else "succeeded" if value in self.succeeded else None

    def _value(self, obj: Any) -> Any:
        for field, item_type in _SEGMENT.findall(self.path):
            obj = obj.get(field) if isinstance(obj, Mapping) else None
            if item_type:
                items = obj if isinstance(obj, list) else ()
                obj = next((i for i in items if isinstance(i, Mapping) and i.get("type") == item_type), None)
        return obj


class PresetKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A custom kind."""

    group: str
    kind: str
    resource: str
    """The plural."""
    scope: Scope = "Namespaced"
    walk: bool = False
    """Only a step on the way to a workload."""
    write: bool = False
    """The verdict is written into the status of its objects."""
    long_running: bool = False
    """It has no end of its own."""
    ends: tuple[EndState, ...] = ()

    def outcome(self, obj: Mapping[str, Any]) -> Outcome | None:
        """How an object of this kind has ended for good; None: it has not, or its kind does not say."""
        return next((outcome for end in self.ends if (outcome := end.outcome(obj)) is not None), None)


class OwnerLabels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Labels with which a controller names the owner of the objects that it makes."""

    name: str
    """The label with the owner's name."""
    uid: str = ""
    """The label with its UID; "" = there is none."""
    group: str = ""
    """API group of the owner; "" = of any kind of the preset."""
    kind: str = ""
    """Kind of the owner; "" = ``kind_label`` has it."""
    kind_label: str = ""
    labels: dict[str, str] = {}
    """What the object must have besides."""
    unowned: tuple[str, ...] = ()
    """Kinds whose objects have no owner reference at all. Empty: only for objects whose owner is deleted."""


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One controller's kinds."""

    kinds: tuple[PresetKind, ...]
    labels: tuple[OwnerLabels, ...] = ()


@lru_cache(maxsize=1)
def presets() -> Mapping[str, Preset]:
    """All presets by name, in alphabetical order."""
    text = resources.files("coroner_operator").joinpath("config/presets.yaml").read_text("utf-8")
    found = msgspec.convert(yaml.safe_load(text), dict[str, Preset])
    return dict(sorted(found.items()))


def preset_kind(group: str, kind: str) -> PresetKind | None:
    """What is known of this kind, whichever presets a site has chosen; None: nothing."""
    return _by_kind().get((group, kind))


def merged(names: Iterable[str]) -> tuple[PresetKind, ...]:
    """The kinds of these presets, each once."""
    found: dict[tuple[str, str], PresetKind] = {}
    for name in names:
        for kind in presets()[name].kinds:
            known = found.get((kind.group, kind.resource), kind)
            found[kind.group, kind.resource] = msgspec.structs.replace(
                kind, walk=known.walk and kind.walk, write=known.write or kind.write
            )
    return tuple(found.values())


def owner_labels(names: Iterable[str]) -> Iterator[tuple[OwnerLabels, tuple[PresetKind, ...]]]:
    """The labels of these presets, with the kinds that an owner can have."""
    for name in names:
        preset = presets()[name]
        for labels in preset.labels:
            yield (
                labels,
                tuple(
                    kind for kind in preset.kinds if labels.group in ("", kind.group) and labels.kind in ("", kind.kind)
                ),
            )


@lru_cache(maxsize=1)
def _by_kind() -> Mapping[tuple[str, str], PresetKind]:
    return {(kind.group, kind.kind): kind for kind in merged(presets())}
