"""What a site can set: by flags, the environment (``CORONER_…``) or a YAML file, in this order; else the defaults here.

Addresses have host and port in one setting on purpose: for a Service named ``coroner-metrics`` Kubernetes puts
``CORONER_METRICS_PORT=tcp://…`` into every pod of the namespace, which a setting called ``metrics_port`` would read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from coroner_categorizer.stuck.patience import Patience
from coroner_operator.config.durations import Duration
from coroner_operator.config.label_selector import parse_selector
from coroner_operator.config.presets import PresetKind, Scope, merged, presets

PREFIX = "CORONER_"

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"  # DNS-1123, as the API server requires
Namespace = Annotated[str, Field(pattern=f"^{_LABEL}$", max_length=63)]


class SettingsError(Exception):
    """The settings cannot be used. ``errors``: one line each, with the name of the setting."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class GracePeriods(BaseModel):
    """How long a pod may wait before that is reported as a failure. What cannot recover is reported at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_pull: Duration = 10.0
    """Image pulls and container configuration: the kubelet retries after 10 s, so the second attempt is seen."""
    container_creating: Duration = 30.0
    """Mounts and sandboxes, and pods that could not be created: attaching a volume often takes this long."""
    unschedulable: Duration = 60.0
    """A cluster autoscaler takes about a minute to add a node."""
    terminating: Duration = 120.0
    """After the grace period of a deleted pod."""
    never_ready: Duration = 600.0
    """From the start of a pod's last container until it is ready; a Deployment has progressDeadlineSeconds for that."""
    sidecar: Duration = 300.0
    """After all other containers of a pod have completed."""

    @property
    def patience(self) -> Patience:
        """For the categorizer, which knows since when these last."""
        return Patience(terminating=self.terminating, never_ready=self.never_ready, sidecar=self.sidecar)


KUBERNETES_GROUPS = frozenset(
    {
        "admission.k8s.io",
        "admissionregistration.k8s.io",
        "apidiscovery.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "custom.metrics.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "external.metrics.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "imagepolicy.k8s.io",
        "internal.apiserver.k8s.io",
        "meta.k8s.io",
        "metrics.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
    }
)
"""API groups of Kubernetes itself and of its metrics APIs, none of which is served from a CustomResourceDefinition.
Others that end in ``k8s.io`` belong to projects: ``jobset.x-k8s.io``, ``sparkoperator.k8s.io``. Groups without a dot
(``apps``) are all Kubernetes' own."""


class WalkedKind(BaseModel):
    """A custom kind whose objects are read on the way from a pod to its workload."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$")
    version: str = Field(default="*", pattern=r"^(\*|v[0-9]+((alpha|beta)[0-9]+)?)$")
    """A version that must be served; "*" = any. Requests use the stored version."""
    resource: str = Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    """The plural, as in ``kubectl api-resources``."""
    scope: Scope = "Namespaced"
    """``Cluster``: pods of all namespaces may name an object of this kind as their workload, and show on it."""

    @property
    def crd(self) -> str:
        """Name of its CustomResourceDefinition."""
        return f"{self.resource}.{self.group}"

    @field_validator("group")
    @classmethod
    def _is_no_group_of_kubernetes(cls, value: str) -> str:
        if value in KUBERNETES_GROUPS:
            raise ValueError(
                f"{value} is a group of Kubernetes itself: the status of its kinds belongs to their controllers"
            )
        return value


class ListedKind(WalkedKind):
    """A custom kind whose objects are workloads."""

    write: bool = True
    """Write the verdict into the status of its objects; else they get Events only."""


Kind = TypeVar("Kind", bound=WalkedKind)


class Settings(BaseSettings):
    """Every setting with its default."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    namespaces: Annotated[tuple[Namespace, ...], NoDecode] = ()
    """Only these, separated by commas in a flag or the environment; empty = the whole cluster."""
    excluded_namespaces: Annotated[tuple[Namespace, ...], NoDecode] = ()
    """Not these, separated by commas in a flag or the environment."""
    pod_selector: str = ""
    """Only pods that match this label selector, e.g. ``team=ml,tier notin (dev)``; "" = all."""
    kubeconfig: Path | None = None
    """Default: $KUBECONFIG, then ~/.kube/config, then the service account of the pod."""
    rules: Path | None = None
    """Rules file; default: the default pack. Reloaded when it changes, as is ``redaction``."""
    redaction: Path | None = None
    """File with patterns for the site's own secrets: a list of ``{name, pattern}``."""
    workloads: tuple[ListedKind, ...] = ()
    """Custom kinds that people think of as their workload, each listed once: the topmost of a pod's owners that is one
    has the report, and the verdict is also written to its objects."""
    walk: tuple[WalkedKind, ...] = ()
    """Custom kinds between pods and workloads, or above them: they are read, and get Events."""
    presets: Annotated[tuple[str, ...], NoDecode] = ()
    """Names of presets, separated by commas in a flag or the environment: kinds of well-known controllers, as if they
    were listed in ``workloads`` and ``walk``. What is listed there itself comes first."""
    events: bool = True
    """Record Events about workloads that fail, and about the operator's own problems."""
    grace_periods: GracePeriods = GracePeriods()
    retention: Duration = 7 * 86400.0
    """Reports of deleted workloads are deleted this long after their last activity; failures older than this are not
    reported when they are first seen."""
    reports_per_namespace: int = Field(default=500, ge=1)
    """At this number the oldest reports of deleted workloads are deleted early; without one, no new report is made."""
    recovery_after: Duration = 10.0
    """A pod must be Ready at least this long to count as recovered. A container that crashed before must also run twice
    as long as its previous run (recovery_state.py), so that one that crashes every minute does not flap."""
    batch_window: Duration = 0.05
    """Failures of a workload are collected this long before the first write of its report."""
    write_interval: Duration = 0.5
    """At most one status write per workload in this time."""
    workload_interval: Duration = 2.0
    """At most one write to the status of a workload in this time: each one wakes its controller."""
    label_interval: Duration = 5.0
    """Labels are updated at most this often: labels that change with every failure cause a third of all writes."""
    writers: int = Field(default=4, ge=1, le=64)
    """Reports that are written concurrently. 4 are as fast as 64, and load the API server less."""
    leader_election: bool = False
    """Replicas elect the active one by a Lease; the others stand by."""
    lease_name: str = Field(default="coroner", pattern=rf"^{_LABEL}(\.{_LABEL})*$", max_length=253)
    lease_namespace: str = Field(default="", pattern=rf"^({_LABEL})?$", max_length=63)
    """Default: $POD_NAMESPACE, then that of the pod's service account."""
    identity: str = ""
    """The holder in the Lease and in the log; default: the host name, which is the pod's. A random suffix is added."""
    lease_duration: Duration = 15.0
    """A leader that has not renewed the Lease for this long is replaced."""
    renew_deadline: Duration = 10.0
    """A leader that could not renew the Lease for this long stops writing and exits."""
    retry_period: Duration = 2.0
    """How often the leader renews the Lease; the others read it twice as often."""
    shutdown_timeout: Duration = 10.0
    """On SIGTERM pending reports are written within this time."""
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    health_address: str = ":8080"
    """host:port of /healthz and /readyz; no host = all addresses; port 0 = any free port; "" = not served."""
    metrics_address: str = ":9090"
    """host:port of /metrics; may be the same as health_address."""
    metrics_namespaces: bool = True
    """Metrics of failures have the namespace of the workload as a label."""
    metrics_nodes: bool = True
    """Metrics name the nodes on which the pods of several workloads fail, at most 20."""
    metrics_series: int = Field(default=5000, ge=100, le=100_000)
    """Combinations of category, subcategory, namespace and kind that are counted apart; of one namespace a tenth.
    Failures beyond count with namespace and kind "other"."""
    metrics_scrape_interval: Duration = 60.0
    """At least that of Prometheus: a new series is shown at 0 for this long, so that increase() sees its first failure.
    """

    @property
    def all_workloads(self) -> tuple[ListedKind, ...]:
        """``workloads``, and those of the presets."""
        added = (ListedKind(**_listing(kind), write=kind.write) for kind in self._preset_kinds() if not kind.walk)
        return (*self.workloads, *added)

    @property
    def all_walked(self) -> tuple[WalkedKind, ...]:
        """``walk``, and those of the presets."""
        return (*self.walk, *(WalkedKind(**_listing(kind)) for kind in self._preset_kinds() if kind.walk))

    def _preset_kinds(self) -> list[PresetKind]:
        listed = {(kind.group, kind.resource) for kind in (*self.workloads, *self.walk)}
        return [kind for kind in merged(self.presets) if (kind.group, kind.resource) not in listed]

    @field_validator("namespaces", "excluded_namespaces", "presets", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("pod_selector")
    @classmethod
    def _check_selector(cls, value: str) -> str:
        parse_selector(value)
        return value

    @field_validator("excluded_namespaces")
    @classmethod
    def _check_excluded(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if both := sorted({*value} & {*info.data.get("namespaces", ())}):
            raise ValueError(f"also in namespaces: {', '.join(both)}")
        return value

    @field_validator("workloads", "walk")
    @classmethod
    def _check_kinds(cls, value: tuple[Kind, ...], info: ValidationInfo) -> tuple[Kind, ...]:
        others = info.data.get("workloads", ()) if info.field_name == "walk" else ()
        names = Counter(kind.crd for kind in (*others, *value))
        twice = sorted(name for name, count in names.items() if count > 1)
        if twice:
            raise ValueError(f"listed more than once: {', '.join(twice)}; a kind has one stored version")
        return value

    @field_validator("presets")
    @classmethod
    def _check_presets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in presets()]
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; there are {', '.join(presets())}")
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _check_lease(self) -> Self:
        if not 0 < 2 * self.retry_period <= self.renew_deadline < self.lease_duration:
            raise ValueError("2 * retry_period <= renew_deadline < lease_duration must hold, and none may be 0")
        return self

    @field_validator("health_address", "metrics_address")
    @classmethod
    def _check_address(cls, value: str) -> str:
        parse_address(value)
        return value


def _listing(kind: PresetKind) -> dict[str, Any]:
    return {"group": kind.group, "resource": kind.resource, "scope": kind.scope}


def parse_address(address: str) -> tuple[str | None, int] | None:
    """``host:port`` as (host or None for all, port); None = not served. Raises ValueError."""
    if not address:
        return None
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f'{address!r} is not host:port; write for example ":8080" or "127.0.0.1:8080"')
    return host.strip("[]") or None, int(port)


def load_settings(flags: Mapping[str, Any], file: Path | None = None) -> Settings:
    """Flags over environment over file. Raises SettingsError with one line per error.

    ``flags`` hold only what was given; nested ones as nested mappings.
    """
    from_file = _read_file(file) if file else {}

    class Loaded(Settings):
        @classmethod
        def settings_customise_sources(  # the signature is pydantic-settings' own
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, from_file)

    try:
        return Settings(**Loaded(**flags).model_dump())
    except ValidationError as error:
        raise SettingsError(tuple(_format_error(fault) for fault in error.errors())) from None


def _read_file(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError((f"{file}: {error.strerror}",)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError((f"{file}: not YAML: {' '.join(str(error).split())}",)) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError((f"{file}: expected a mapping of settings, found {type(content).__name__}",))
    return content


def _format_error(fault: Any) -> str:
    name = ".".join(str(part) for part in fault["loc"]) or "lease_duration"  # the only check across settings
    if fault["type"] == "extra_forbidden":
        return f"{name}: unknown setting"
    return f"{name}: {fault['msg'].removeprefix('Value error, ')}"
