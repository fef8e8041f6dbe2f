"""Rendered objects are valid in every supported Kubernetes, and their pods conform to the restricted standard."""

import functools
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from kubernetes_validate import utils

from tests.chart.cases import CASES
from tests.chart.charts import MONITORING, ROOT, Helm, Manifest, only, pod_specs

MINORS = [f"1.{minor}" for minor in range(29, 37)]
NOT_KUBERNETES = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}

_read_schema = functools.lru_cache(maxsize=64)(utils.schema_contents)


@pytest.fixture(autouse=True)
def schemas_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library reads a version's definitions, 1 MB of JSON, again for each object."""
    monkeypatch.setattr(utils, "schema_contents", _read_schema)


@pytest.mark.parametrize("minor", MINORS)
def test_every_object_is_valid_in_every_supported_kubernetes(helm: Helm, minor: str) -> None:
    seen = {str(each): each for values in CASES.values() for each in helm.render(values, apis=MONITORING)}
    seen = {text: each for text, each in seen.items() if each["kind"] != "CustomResourceDefinition"}
    own = helm.render(CASES["everything"], kube_version=f"{minor}.0", apis=MONITORING)  # the CRD depends on it
    seen |= {str(each): each for each in own}
    unknown = set()
    for manifest in seen.values():
        try:
            kubernetes_validate.validate(manifest, minor, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            unknown.add(manifest["kind"])
    assert unknown == NOT_KUBERNETES


def test_validation_detects_an_error(helm: Helm) -> None:
    """Makes sure that the test above can fail."""
    deployment = only(helm.render(), "Deployment")
    deployment["spec"]["replicaz"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="replicaz"):
        kubernetes_validate.validate(deployment, "1.36", strict=True)


def restricted_faults(pod: Manifest) -> list[str]:
    """The violations of the Pod Security Standard "restricted"."""
    own: dict[str, Any] = pod.get("securityContext", {})
    faults = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    faults += [f"volume {v['name']}" for v in pod.get("volumes", []) if not set(v) - {"name"} <= allowed]
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        context: dict[str, Any] = container.get("securityContext", {})
        if not {**own, **context}.get("runAsNonRoot"):
            faults.append("runAsNonRoot")
        if {**own, **context}.get("runAsUser") == 0:
            faults.append("runAsUser")
        if {**own, **context}.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            faults.append("seccompProfile")
        if context.get("privileged") or context.get("allowPrivilegeEscalation") is not False:
            faults.append("allowPrivilegeEscalation")
        capabilities = context.get("capabilities", {})
        if capabilities.get("drop") != ["ALL"] or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            faults.append("capabilities")
        if any("hostPort" in port for port in container.get("ports", [])):
            faults.append("hostPort")
    return faults


@pytest.mark.parametrize("case", CASES)
def test_every_pod_conforms_to_the_restricted_standard(helm: Helm, case: str) -> None:
    pods = pod_specs(helm.render(CASES[case], apis=MONITORING))
    assert pods, "there must be at least a Deployment"
    assert {name: restricted_faults(pod) for name, pod in pods.items()} == {name: [] for name in pods}


def test_the_check_of_the_restricted_standard_detects_violations(helm: Helm) -> None:
    pod = pod_specs(helm.render())["Deployment/coroner"]
    container = pod["containers"][0]
    container["securityContext"] = {"allowPrivilegeEscalation": True}
    pod["securityContext"] = {"runAsUser": 0}
    pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}})
    assert restricted_faults(pod) == [
        "volume host", "runAsNonRoot", "runAsUser", "seccompProfile", "allowPrivilegeEscalation", "capabilities",
    ]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_container_has_a_read_only_root_and_a_memory_limit(helm: Helm, case: str) -> None:
    for name, pod in pod_specs(helm.render(CASES[case], apis=MONITORING)).items():
        assert pod["enableServiceLinks"] is False, f"{name}: a Service called coroner would set CORONER_… variables"
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"]["memory"]


def test_there_is_no_cpu_limit(helm: Helm) -> None:
    """A limit would throttle the operator even on an idle node; the request guarantees its share of a busy one."""
    for pod in pod_specs(helm.render()).values():
        assert all("cpu" not in container["resources"]["limits"] for container in pod["containers"])


def test_the_token_is_mounted_where_it_is_needed_and_nowhere_else(helm: Helm) -> None:
    objects = helm.render()
    pods = pod_specs(objects)
    assert only(objects, "ServiceAccount")["automountServiceAccountToken"] is False
    assert pods["Deployment/coroner"]["automountServiceAccountToken"] is True
    assert pods["Pod/coroner-test"]["automountServiceAccountToken"] is False


def test_probes_use_endpoints_that_the_operator_serves(helm: Helm) -> None:
    source = (ROOT / "operator" / "coroner_operator" / "telemetry" / "health_server.py").read_text()
    container = pod_specs(helm.render({"ports": {"health": 8081}}))["Deployment/coroner"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"health": 8081, "metrics": 9090}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        ask = container[probe]["httpGet"]
        assert ask["port"] == "health"
        assert f'"{ask["path"]}"' in source
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_the_image_reference_contains_the_digest_if_there_is_one(helm: Helm) -> None:
    def image(**values: str) -> str:
        named: str = pod_specs(helm.render({"image": values}))["Deployment/coroner"]["containers"][0]["image"]
        return named

    digest = f"sha256:{'0' * 64}"
    assert image() == "coroner:0.1.0"
    assert image(registry="example.com:5000", repository="a/b", tag="2") == "example.com:5000/a/b:2"
    assert image(digest=digest) == f"coroner:0.1.0@{digest}"
    test_pod = pod_specs(helm.render({"image": {"digest": digest}}))["Pod/coroner-test"]
    assert test_pod["containers"][0]["image"] == f"coroner:0.1.0@{digest}"


def test_the_default_update_strategy_depends_on_leader_election(helm: Helm) -> None:
    def strategy(values: dict[str, Any]) -> str:
        kind: str = only(helm.render(values), "Deployment")["spec"]["strategy"]["type"]
        return kind

    assert strategy({"leaderElection": {"enabled": True}}) == "RollingUpdate"
    assert strategy({"leaderElection": {"enabled": False}}) == "Recreate"
    assert strategy(CASES["strategy"]) == "RollingUpdate"


def test_topology_spread_constraints_select_the_operators_pods(helm: Helm) -> None:
    first, second = pod_specs(helm.render(CASES["scheduling"]))["Deployment/coroner"]["topologySpreadConstraints"]
    assert first["labelSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "coroner"
    assert second["labelSelector"] == {"matchLabels": {"a": "b"}}


def test_a_disruption_budget_requires_more_than_one_replica(helm: Helm) -> None:
    alone = helm.render({"podDisruptionBudget": {"enabled": True}})
    assert [each for each in alone if each["kind"] == "PodDisruptionBudget"] == [], "the node could never be drained"
    assert only(helm.render(CASES["two-replicas"]), "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert only(helm.render(CASES["budget"]), "PodDisruptionBudget")["spec"]["minAvailable"] == 2
    assert only(helm.render(CASES["budget-share"]), "PodDisruptionBudget")["spec"]["maxUnavailable"] == "50%"


def test_a_change_of_settings_replaces_the_pod_and_a_change_of_rules_does_not(helm: Helm) -> None:
    def template(values: dict[str, Any]) -> Manifest:
        pod: Manifest = only(helm.render(values), "Deployment")["spec"]["template"]
        return pod

    assert template({"config": {"log_level": "debug"}}) != template({})
    assert template({"rules": "a: 1"}) == template({"rules": "a: 2"})
