"""Every change of an object: create, update, patch, apply. For DELETE see ``deletion.py``.

All take the same steps: the client's change -> restore system metadata -> keep the object and /status apart ->
prune, apply defaults, validate -> generation -> field ownership -> store, unless nothing changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from embedded_apiserver.errors import ApiError, Cause, Object, already_exists, bad_request, conflict, invalid, not_found
from embedded_apiserver.kinds import builtin_strategy, crds, event_versions
from embedded_apiserver.kinds.registry import Registry
from embedded_apiserver.kinds.resource import Resource
from embedded_apiserver.schema import structural_schema, validation
from embedded_apiserver.server_side_apply import apply as ssa
from embedded_apiserver.store import Store
from embedded_apiserver.writes import metadata
from embedded_apiserver.writes.deletion import Deletion


@dataclass(frozen=True)
class Target:
    """The object or collection that the URL names."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name


@dataclass(frozen=True)
class Options:
    manager: str
    field_validation: str = "Warn"
    """Strict (400 on unknown fields), Warn or Ignore."""
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)
    """Set by the write; sent as Warning headers."""


class Writer:
    def __init__(self, store: Store, registry: Registry, deletion: Deletion) -> None:
        self.store = store
        self.registry = registry
        self.deletion = deletion

    def create(self, target: Target, body: Object, options: Options) -> Object:
        resource = target.resource
        metadata.check_identity(body, resource)
        metadata.check_namespace(body, target.namespace)
        if metadata.get(body).get("resourceVersion"):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        with self.store.lock:
            self._check_namespace_exists(target)
            new = metadata.for_create(resource.identify(body), resource, target.namespace)
            new = self._prepare_for_create(new, resource)
            new = self._validate(new, None, resource, options)
            owners = ssa.after_update(None, new, self._manager(target, options), resource.field_schema())
            return self._insert(target, new, owners, options)

    def replace(self, target: Target, body: Object, options: Options) -> Object:
        resource = target.resource
        metadata.check_identity(body, resource)
        metadata.check_namespace(body, target.namespace)
        metadata.check_name(body, target.name)
        with self.store.lock:
            if self._live(target) is None and resource.create_on_update and not target.subresource:
                return self.create(target, body, options)
            return self.update(target, lambda _: resource.identify(body), options, whole=True)

    def update(
        self, target: Target, change: Callable[[Object], Object], options: Options, whole: bool = False
    ) -> Object:
        """PUT (``whole``) and PATCH: ``change`` returns the wanted object for the live one."""
        resource = target.resource
        with self.store.lock:
            live = self._require_live(target)
            sent = change(live)
            metadata.check_name(sent, target.name)
            version = metadata.get(sent).get("resourceVersion")
            if not version and whole and not resource.unconditional_update:
                fault = Cause(
                    "metadata.resourceVersion",
                    "FieldValueInvalid",
                    "Invalid value: 0: must be specified for an update",
                )
                raise invalid(resource.subject(target.name), [fault])
            metadata.check_version(live, sent, resource)
            if not target.subresource:
                metadata.check_uid(live, sent, resource)
            new = self._complete(target, live, sent, options)
            owners = ssa.after_update(live, new, self._manager(target, options), resource.field_schema())
            return self._save(target, live, new, owners, options)

    def apply(self, target: Target, config: Object, options: Options, force: bool) -> Object:
        resource = target.resource
        metadata.check_identity(config, resource)
        metadata.check_namespace(config, target.namespace)
        metadata.check_name(config, target.name)
        ssa.check_no_managed_fields(config)
        wanted = self._without_other_side(target, config)
        manager = self._manager(target, options, "Apply")
        with self.store.lock:
            live = self._live(target)
            if live is None:
                if target.subresource:
                    raise not_found(resource.subject(target.name))
                return self._create_by_apply(target, wanted, manager, options)
            metadata.check_version(live, config, resource)
            if not target.subresource:
                metadata.check_uid(live, config, resource)
            applied = ssa.apply(live, wanted, manager, resource, force)
            new = self._complete(target, live, resource.identify(applied.object), options)
            return self._save(target, live, new, applied.owners, options)

    def _create_by_apply(self, target: Target, config: Object, manager: ssa.Manager, options: Options) -> Object:
        resource = target.resource
        self._check_namespace_exists(target)
        if uid := metadata.get(config).get("uid"):
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise conflict(resource.subject(target.name), why)
        applied = ssa.apply({"metadata": {}}, config, manager, resource, force=True)
        obj = {**applied.object, "metadata": {**metadata.get(applied.object), "name": target.name}}
        new = metadata.for_create(resource.identify(obj), resource, target.namespace)
        new = self._validate(self._prepare_for_create(new, resource), None, resource, options)
        return self._insert(target, new, applied.owners, options)

    # -- steps

    def _live(self, target: Target) -> Object | None:
        live = self.store.get(target.resource.collection, target.key)
        return None if live is None else event_versions.served_form(live, target.resource)

    def _require_live(self, target: Target) -> Object:
        live = self._live(target)
        if live is None:
            raise not_found(target.resource.subject(target.name))
        return live

    def _check_namespace_exists(self, target: Target) -> None:
        if not target.resource.namespaced:
            return
        namespace = self.store.get("namespaces.", ("", target.namespace))
        namespaces = self.registry.find("", "v1", "namespaces")
        if namespace is None and namespaces is not None:
            raise not_found(namespaces.subject(target.namespace))

    def _prepare_for_create(self, new: Object, resource: Resource) -> Object:
        if resource.custom:
            return {k: v for k, v in new.items() if k != "status"} if resource.has_status else new
        if resource.collection == crds.COLLECTION:
            return crds.with_defaults(new) if not list(crds.validate(new)) else new
        return builtin_strategy.prepare_for_create(new, resource)

    def _without_other_side(self, target: Target, config: Object) -> Object:
        """An applied configuration without status or, for a write to /status, without everything else."""
        if not target.resource.has_status:
            return config
        if not target.subresource:
            return {key: value for key, value in config.items() if key != "status"}
        name = {"name": target.name}
        own = name if builtin_strategy.status_keeps_metadata(target.resource) else metadata.get(config)
        return {"metadata": own, **({"status": config["status"]} if "status" in config else {})}

    def _complete(self, target: Target, live: Object, sent: Object, options: Options) -> Object:
        resource = target.resource
        new = metadata.for_update(live, resource.identify(sent))
        if target.subresource:
            keeps = builtin_strategy.status_keeps_metadata(resource)
            own = live["metadata"] if keeps else new["metadata"]
            status = {"status": new["status"]} if new.get("status") is not None else {}
            new = {**{k: v for k, v in live.items() if k != "status"}, "metadata": own, **status}
        elif resource.has_status:
            status = {"status": live["status"]} if "status" in live else {}
            new = {**{k: v for k, v in new.items() if k != "status"}, **status}
        new = self._validate(new, live, resource, options)
        if resource.has_generation and _spec(new, resource) != _spec(live, resource):
            new["metadata"] = {**new["metadata"], "generation": live["metadata"].get("generation", 0) + 1}
        return new

    def _validate(self, new: Object, live: Object | None, resource: Resource, options: Options) -> Object:
        """``new`` pruned, with defaults, and valid. Raises ApiError 400 or 422."""
        name = new["metadata"]["name"]
        if resource.custom:
            new = self._prune(new, resource, options)
            new = structural_schema.drop_nulls(new, resource.schema)
            new = structural_schema.apply_defaults(new, resource.schema)
            found = list(validation.validate({k: v for k, v in new.items() if k != "metadata"}, resource.schema))
        elif resource.collection == crds.COLLECTION:
            found = list(crds.validate(new))
        else:
            found = list(
                builtin_strategy.validate(event_versions.stored_form(new, resource), _stored(live, resource), resource)
            )
        if live is None:
            found = [*validation.validate_name(name), *found]
        found += validation.validate_labels(new["metadata"].get("labels") or {})
        if found:
            raise invalid(resource.kind_subject(name), found)
        return dict(new)

    def _prune(self, obj: Object, resource: Resource, options: Options) -> Object:
        kept, unknown = structural_schema.prune(obj, resource.schema)
        texts = [f'unknown field "{path}"' for path in unknown]
        if texts and options.field_validation == "Strict":
            raise bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
                f"strict decoding error: {', '.join(texts)}"
            )
        if options.field_validation == "Warn":
            options.warnings.extend(texts)
        return kept

    def _insert(self, target: Target, new: Object, owners: ssa.Owners, options: Options) -> Object:
        resource = target.resource
        name = new["metadata"]["name"]
        key = (target.namespace, name)
        if self.store.get(resource.collection, key) is not None:
            raise already_exists(resource.subject(name))
        new["metadata"] = {**new["metadata"], "managedFields": ssa.managed_fields(owners, None, metadata.now())}
        return new if options.dry_run else self.put(resource, key, new)

    def _save(self, target: Target, live: Object, new: Object, owners: ssa.Owners, options: Options) -> Object:
        fields = ssa.managed_fields(owners, live, metadata.now())
        new["metadata"] = {k: v for k, v in new["metadata"].items() if k != "managedFields"}
        if fields:
            new["metadata"]["managedFields"] = fields
        if new == live or options.dry_run:
            return new  # a write that changes nothing creates no new version and no event
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            self.deletion.remove(target.resource, target.key)
            return new
        return self.put(target.resource, target.key, new)

    def put(self, resource: Resource, key: tuple[str, str], obj: Object) -> Object:
        """Stores ``obj`` as it is; a CRD takes effect immediately."""
        if resource.collection == crds.COLLECTION:
            if not (obj.get("status") or {}).get("conditions"):
                obj = crds.with_status(obj, metadata.now())
            self.registry.stop_serving(obj["spec"]["group"], obj["spec"]["names"]["plural"])
            self.registry.serve(crds.served_resources(obj))
        stored = self.store.write(resource.collection, key, event_versions.stored_form(obj, resource))
        return event_versions.served_form(stored, resource)

    def _manager(self, target: Target, options: Options, operation: str = "Update") -> ssa.Manager:
        api_version = target.resource.api_version
        if operation == "Apply":
            return ssa.Manager(options.manager, "Apply", api_version, target.subresource)
        return ssa.Manager(options.manager, "Update", api_version, target.subresource)


def _stored(live: Object | None, resource: Resource) -> Object | None:
    return None if live is None else event_versions.stored_form(live, resource)


def _spec(obj: Object, resource: Resource) -> Object:
    """The part whose changes metadata.generation counts."""
    if not resource.custom:
        return {"spec": obj.get("spec")}
    left_out = ("metadata", "status") if resource.has_status else ("metadata",)
    return {key: value for key, value in obj.items() if key not in left_out}
