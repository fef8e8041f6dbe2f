"""Both major versions of helm render the same for every value, on the oldest and the newest Kubernetes."""

import pytest

from tests.chart.cases import CASES
from tests.chart.charts import CHART, MONITORING, NEWEST, OLDEST, Helm, HelmError, of_kind, only
from tests.chart.conftest import helm_with_major

MONITORS = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


def test_helm_lint_reports_no_problem(either_helm: Helm) -> None:
    assert "0 chart(s) failed" in either_helm.run("lint", "--strict", str(CHART))


def test_the_package_is_complete(either_helm: Helm, tmp_path: object) -> None:
    """CRDs and dashboard are inside the chart folder, so that a packaged chart contains them."""
    packed = either_helm.run("package", str(CHART), "-d", str(tmp_path)).strip().rsplit(" ", 1)[-1]
    shown = either_helm.run("template", "coroner", packed, "--set", "dashboard.enabled=true")
    assert "kind: CustomResourceDefinition" in shown
    assert "grafana_dashboard" in shown


@pytest.mark.slow  # runs both
@pytest.mark.parametrize("case", CASES)
def test_every_switch_renders_the_same_with_both_helms(case: str) -> None:
    four, three = (helm_with_major(major).render(CASES[case], apis=MONITORING) for major in (4, 3))
    assert sorted(map(str, four)) == sorted(map(str, three))


@pytest.mark.parametrize("version", [OLDEST, NEWEST, "1.33.1-gke.100"])
def test_every_supported_kubernetes_is_accepted(either_helm: Helm, version: str) -> None:
    objects = either_helm.render(CASES["everything"], kube_version=version, apis=MONITORING)
    assert len(objects) > 15


def test_an_older_kubernetes_is_rejected(either_helm: Helm) -> None:
    with pytest.raises(HelmError, match="incompatible with Kubernetes"):
        either_helm.render(kube_version="1.28.9")


@pytest.mark.parametrize("case", ["service-monitor", "pod-monitor", "alerts"])
def test_monitoring_objects_need_a_cluster_that_serves_their_kind(helm: Helm, case: str) -> None:
    (switch,) = CASES[case]
    kinds = {each["kind"] for each in helm.render(CASES[case])}
    assert kinds & MONITORS == set(), "skipIfMissing"
    always = {switch: {**CASES[case][switch], "renderMode": "alwaysRender"}}
    assert len({each["kind"] for each in helm.render(always)} & MONITORS) == 1
    failing = {switch: {**CASES[case][switch], "renderMode": "failIfMissing"}}
    assert len({each["kind"] for each in helm.render(failing, apis=MONITORING)} & MONITORS) == 1
    with pytest.raises(HelmError, match="the cluster does not serve"):
        helm.render(failing)


def test_the_release_secret_is_far_below_its_size_limit(helm: Helm) -> None:
    """helm stores templates and manifest in one Secret of at most 1 MiB, compressed and base64-encoded."""
    import gzip

    templates = b"".join(file.read_bytes() for file in CHART.rglob("*") if file.is_file())
    manifest = helm.text(CASES["everything"], apis=MONITORING).encode()
    assert len(gzip.compress(templates + manifest)) < 350_000


def test_the_selector_of_a_deployment_never_changes(helm: Helm) -> None:
    """It is immutable: an upgrade that changed it would fail."""
    assert only(helm.render(), "Deployment")["spec"]["selector"] == {
        "matchLabels": {"app.kubernetes.io/name": "coroner", "app.kubernetes.io/instance": "coroner"}
    }


def test_the_selector_of_the_operators_pods_does_not_match_the_test_pod(helm: Helm) -> None:
    objects = helm.render(CASES["everything"], apis=MONITORING)
    labels = only(objects, "Pod")["metadata"]["labels"]
    wanted = only(objects, "Service")["spec"]["selector"]
    assert wanted.items() <= only(objects, "Deployment")["spec"]["template"]["metadata"]["labels"].items()
    assert not wanted.items() <= labels.items()
    assert [each["spec"]["selector"]["matchLabels"] for each in of_kind(objects, "ServiceMonitor")] == [wanted]


def test_notes_mention_what_the_user_must_know(helm: Helm) -> None:
    assert "It watches the whole cluster" in helm.notes()
    assert "Uninstalling it keeps them and all reports" in helm.notes()
    assert "deletes every FailureReport" in helm.notes({"crds": {"keep": False}})
    assert "the namespaces team-a, team-b" in helm.notes(CASES["namespaced"])
    assert "prometheusRule.enabled is true, but the cluster does not serve" in helm.notes(CASES["alerts"])
    assert "keep replicaCount at 1" in helm.notes(CASES["no-election"])
