"""DELETE: immediately, after a grace period, or once the last finalizer is gone; with dependent objects."""

from __future__ import annotations

from embedded_apiserver.errors import Object, not_found
from embedded_apiserver.kinds import builtin_strategy, crds
from embedded_apiserver.kinds.registry import Registry
from embedded_apiserver.kinds.resource import Resource
from embedded_apiserver.store import Key, Store
from embedded_apiserver.writes import metadata


class Deletion:
    def __init__(self, store: Store, registry: Registry) -> None:
        self.store = store
        self.registry = registry

    def delete(self, resource: Resource, key: Key, options: Object) -> tuple[Object, bool]:
        """The object, and whether it is gone. ``options``: a DeleteOptions body.

        An object with finalizers, and a running pod within its grace period, only gets a deletionTimestamp.
        """
        with self.store.lock:
            live = self.store.get(resource.collection, key)
            if live is None:
                raise not_found(resource.subject(key[1]))
            metadata.check_preconditions(live, options.get("preconditions") or {}, resource)
            grace = builtin_strategy.grace_period(live, resource, options.get("gracePeriodSeconds"))
            if options.get("dryRun"):
                return live, True
            if not live["metadata"].get("finalizers") and not grace:
                return self.remove(resource, key), True
            if live["metadata"].get("deletionTimestamp"):
                return live, False
            return self.store.write(resource.collection, key, _with_deletion_timestamp(live, grace)), False

    def remove(self, resource: Resource, key: Key) -> Object:
        """Removes the object now, ignoring finalizers; with a CRD its objects, with a namespace its content."""
        removed = self.store.remove(resource.collection, key)
        if resource.collection == crds.COLLECTION:
            names = removed["spec"]["names"]
            self.store.remove_all(f"{names['plural']}.{removed['spec']['group']}")
            self.registry.stop_serving(removed["spec"]["group"], names["plural"])
        elif resource.kind == "Namespace" and not resource.group:
            for other in self.registry:
                for inside, _ in self.store.sorted(other.collection, key[1]):
                    if other.namespaced:
                        self.store.remove(other.collection, inside)
        return removed


def _with_deletion_timestamp(live: Object, grace: int) -> Object:
    marks: Object = {"deletionTimestamp": metadata.now(ahead=grace), "deletionGracePeriodSeconds": grace}
    if "generation" in live["metadata"]:
        marks["generation"] = live["metadata"]["generation"] + 1
    return {**live, "metadata": {**live["metadata"], **marks}}
