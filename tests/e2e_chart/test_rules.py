"""Rules in a ConfigMap that change under the installed operator: taken over or refused, and never a restart."""

import json
import re
from hashlib import sha256

import pytest

from tests.chart.charts import Manifest
from tests.e2e.manifests import make_job
from tests.e2e.namespace import Namespace
from tests.e2e_chart.kubectl_view import FAIL, REPORT_SECONDS, SAID, show
from tests.e2e_chart.release import NAMESPACE, Release
from tests.rules_reload.files import BROKEN, rules
from tests.support.waiting import wait_for

KUBELET_SECONDS = 180
"""Unless something makes it look earlier, a kubelet looks at a pod's ConfigMaps within about 90 s."""
pytestmark = pytest.mark.timeout(900)


def the_pod(release: Release) -> Manifest:
    (pod,) = release.pods()
    return pod


def run_of(release: Release) -> tuple[str, int, str]:
    """The pod's UID, how often its container was restarted, and when that began."""
    pod = the_pod(release)
    (status,) = pod["status"]["containerStatuses"]
    return pod["metadata"]["uid"], status["restartCount"], status["state"]["running"]["startedAt"]


def refusals(release: Release) -> list[Manifest]:
    """Events about rules that this pod has refused."""
    selector = f"reason=InvalidRules,involvedObject.uid={the_pod(release)['metadata']['uid']}"
    text = release.server.kubectl("get", "events", "-n", NAMESPACE, "--field-selector", selector, "-o", "json")
    events: list[Manifest] = json.loads(text)["items"]
    return events


def rule_metrics(release: Release) -> list[str]:
    """What /metrics of the pod says of its rules."""
    name = the_pod(release)["metadata"]["name"]
    text = release.server.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}:9090/proxy/metrics")
    return [line for line in text.splitlines() if re.match("coroner_rules_|coroner_build_info", line)]


def upgrade(release: Release, text: str) -> None:
    """These rules by helm; the kubelet hands them on at once, as it does when anything about a pod changes."""
    release.upgrade(rules=text)
    change = f"tests.example.com/rules={sha256(text.encode()).hexdigest()[:8]}"
    name = the_pod(release)["metadata"]["name"]
    release.server.kubectl("annotate", "pod", name, "-n", NAMESPACE, "--overwrite", change)


def category(namespace: Namespace, job: str) -> str:
    decided: str = namespace.report("Job", job)["status"]["category"]
    return decided


def test_broken_rules_are_reported_and_the_last_good_decide_until_repaired_ones_take_over_without_a_restart(
    release: Release, namespace: Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    release.install(rules=rules("storage", SAID))
    began = run_of(release)
    namespace.apply(make_job("first", FAIL))
    wait_for(lambda: category(namespace, "first") == "storage", REPORT_SECONDS, "a verdict by the first rules")

    upgrade(release, BROKEN)

    (refused,) = wait_for(lambda: refusals(release), KUBELET_SECONDS, "an event about the mistake")
    assert "keeping the previous rules" in refused["message"]
    events = show(release.server, capsys, "get", "events", "-n", NAMESPACE, "--field-selector", "reason=InvalidRules")
    assert refused["message"] in events
    assert refused["message"] in release.server.kubectl("describe", "pods", "-n", NAMESPACE)
    metrics = rule_metrics(release)
    assert {"coroner_rules_last_reload_success 0.0", "coroner_rules_reload_failures_total 1.0"} <= {*metrics}
    namespace.apply(make_job("second", FAIL))
    wait_for(lambda: category(namespace, "second") == "storage", REPORT_SECONDS, "a verdict by the last good rules")
    show(release.server, capsys, "get", "failurereports", "-n", namespace.name)

    upgrade(release, rules("quota", SAID))

    reloaded = "coroner_rules_last_reload_success 1.0"
    wait_for(lambda: reloaded in rule_metrics(release), KUBELET_SECONDS, "the corrected rules are in force")
    namespace.apply(make_job("third", FAIL))
    wait_for(lambda: category(namespace, "third") == "quota", REPORT_SECONDS, "a verdict by the corrected rules")
    wait_for(lambda: category(namespace, "first") == "quota", REPORT_SECONDS, "what still fails is judged again")
    show(release.server, capsys, "get", "failurereports", "-n", namespace.name)
    with capsys.disabled():
        print("\n".join(["while refused:", *metrics, "corrected:", *rule_metrics(release)]))
    assert run_of(release) == began
