"""The kinds that are currently served: the built-in ones, and those of CRDs."""

from __future__ import annotations

from collections.abc import Iterator

from embedded_apiserver.errors import Object
from embedded_apiserver.kinds.builtin_resources import BUILT_IN
from embedded_apiserver.kinds.resource import Resource


class Registry:
    def __init__(self) -> None:
        self._resources = {(r.group, r.version, r.plural): r for r in BUILT_IN}

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources.values()))

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._resources.get((group, version, plural))

    def of_object(self, obj: Object) -> Resource | None:
        """The resource that an object's apiVersion and kind name."""
        group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
        return next(
            (r for r in self if (r.group, r.version, r.kind) == (group, version, obj.get("kind"))),
            None,
        )

    def serve(self, resources: list[Resource]) -> None:
        for resource in resources:
            self._resources[(resource.group, resource.version, resource.plural)] = resource

    def stop_serving(self, group: str, plural: str) -> None:
        for key in [key for key in self._resources if (key[0], key[2]) == (group, plural)]:
            del self._resources[key]

    def groups(self) -> dict[str, list[str]]:
        """group -> its versions, in the order of declaration; the core group is ""."""
        groups: dict[str, list[str]] = {}
        for group, version, _ in self._resources:
            versions = groups.setdefault(group, [])
            if version not in versions:
                versions.append(version)
        return groups
