"""The chart, installed by the real helm on a real cluster: the operator as a pod from our image, under its own account."""

import json
import re
from pathlib import Path

import pytest

from tests.chart.charts import CHART
from tests.cluster.server import KubectlError
from tests.e2e.manifests import RUN_OUT_OF_MEMORY, make_deployment, make_job
from tests.e2e.namespace import Namespace
from tests.e2e_chart.conftest import CRD, older_chart
from tests.e2e_chart.kubectl_view import FAIL, REPORT_SECONDS, event_on, show
from tests.e2e_chart.release import NAME, NAMESPACE, Release
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(600)


def ends(namespace: Namespace, app: str) -> int:
    """How often this Deployment's only container has ended, by its pod's own account."""
    (pod,) = namespace.objects("pods", "-l", f"app={app}")
    (status,) = pod["status"]["containerStatuses"]
    ended: int = status["restartCount"] + ("terminated" in status["state"])
    return ended


def finished_pods(namespace: Namespace, job: str) -> int:
    pods = namespace.objects("pods", "-l", f"job-name={job}")
    return sum(pod["status"]["phase"] == "Failed" for pod in pods)


def test_a_default_install_is_ready_and_what_fails_has_a_report_and_an_event(
    release: Release, namespace: Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = release.install()
    assert "watches the whole cluster" in notes
    (pod,) = release.pods()
    assert all(status["ready"] for status in pod["status"]["containerStatuses"])
    assert (pod["spec"]["serviceAccountName"], pod["spec"]["securityContext"]["runAsUser"]) == (NAME, 65532)
    assert "Succeeded" in release.run("test", NAME), "helm test: /readyz through the Service"

    namespace.apply(make_job("train", RUN_OUT_OF_MEMORY, memory="32Mi"), make_deployment("web", FAIL))
    of_train = wait_for(lambda: event_on(namespace, "Job", "train"), REPORT_SECONDS, "an event on Job/train")
    of_web = wait_for(lambda: event_on(namespace, "Deployment", "web"), REPORT_SECONDS, "an event on Deployment/web")
    train, web = namespace.report("Job", "train")["status"], namespace.report("Deployment", "web")["status"]
    assert (train["category"], train["subcategory"], train["failures"]) == ("resources", "oom-killed", 1)
    assert (web["category"], web["subcategory"], web["exitCode"]) == ("user-code", "error-exit", 3)
    assert of_train["message"].endswith(f" {train['hint']}")

    server, where = release.server, ("-n", namespace.name)
    with capsys.disabled():
        print(f"\n{notes}")
    show(server, capsys, "get", "failurereports", *where)
    events = show(server, capsys, "get", "events", *where, "--field-selector", "reportingComponent=coroner.dev/coroner")
    for kind, name, event, status in (("job", "train", of_train, train), ("deployment", "web", of_web, web)):
        # its hint, which comes next, tells how long the program ran, and the Deployment's has run again
        sentence = f"{status['message']} [{status['category']}/{status['subcategory']}] "
        assert (event["type"], event["reason"]) == ("Warning", status["reason"])
        assert event["message"].startswith(sentence)
        assert re.search(rf"Warning +{status['reason']} +{kind}/{name} +{re.escape(sentence)}", events)
        described = server.kubectl("describe", kind, name, *where)
        assert re.search(rf"Warning +{status['reason']} +.* coroner.dev/coroner +{re.escape(sentence)}", described)
    log = release.log()
    assert "forbidden" not in log.lower()
    assert "Traceback" not in log


def leader(release: Release) -> str:
    """The pod that holds the Lease; "" where none does."""
    lease = json.loads(release.server.kubectl("get", "lease", NAME, "-n", NAMESPACE, "-o", "json"))
    holder: str = lease["spec"].get("holderIdentity", "").partition("_")[0]
    return holder


def test_of_two_replicas_one_leads_and_the_other_takes_over(release: Release, namespace: Namespace) -> None:
    release.install(replicaCount=2, podDisruptionBudget={"enabled": True})
    pods = {pod["metadata"]["name"] for pod in release.pods()}
    # An uninstall takes the rights with it: the leader of an earlier release could not give the Lease back.
    wait_for(lambda: leader(release) in pods, REPORT_SECONDS, "one of the two leads")
    first = leader(release)
    namespace.apply(make_job("before", FAIL))
    wait_for(lambda: namespace.failures("Job", "before") == 1, REPORT_SECONDS, "a failure of Job/before")
    release.server.kubectl("delete", "pod", first, "-n", NAMESPACE, "--wait=false")
    wait_for(lambda: leader(release) not in ("", first), REPORT_SECONDS, "another pod leads")
    namespace.apply(make_job("after", FAIL))
    wait_for(lambda: namespace.failures("Job", "after") == 1, REPORT_SECONDS, "a failure of Job/after")
    assert namespace.failures("Job", "before") == 1


def test_one_upgrade_brings_a_newer_definition_and_an_operator_that_waited_for_it_is_ready(
    release: Release, namespace: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl = release.server.kubectl
    kubectl("delete", "crd", CRD, "--ignore-not-found", "--wait=true")
    older = older_chart(CHART, tmp_path, "hint", "rule", "confidence")
    release.install(older, "--timeout", "1m")  # nobody waits: this operator is newer than the definition
    assert "hint" not in served_fields(kubectl("get", "crd", CRD, "-o", "json"))
    sentence = wait_for(lambda: unfit(release), REPORT_SECONDS, "the operator says what is missing")
    assert all(word in sentence for word in (CRD, "hint", "rule", "confidence"))
    assert not any(status["ready"] for pod in release.pods() for status in pod["status"]["containerStatuses"])

    release.upgrade()

    assert {"hint", "rule", "confidence"} <= served_fields(kubectl("get", "crd", CRD, "-o", "json"))
    with capsys.disabled():
        print(f"\n{sentence}")
    namespace.apply(make_job("import", FAIL))
    status = wait_for(lambda: namespace.report("Job", "import"), REPORT_SECONDS, "a report of Job/import")["status"]
    assert status["hint"]
    assert status["rule"]


def unfit(release: Release) -> str:
    """What the operator's log says of a definition that would cut what it writes."""
    try:
        lines = release.log().splitlines()
    except KubectlError:  # no container yet
        return ""
    return next((line for line in lines if "nothing is written" in line), "")


def served_fields(crd: str) -> set[str]:
    (version,) = json.loads(crd)["spec"]["versions"]
    return set(version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"])


def test_an_uninstall_leaves_the_reports_and_a_later_install_counts_on(release: Release, namespace: Namespace) -> None:
    release.install()
    namespace.apply(make_job("before", FAIL, pods=3), make_deployment("web", FAIL))
    wait_for(lambda: namespace.failures("Job", "before") == 3, REPORT_SECONDS, "three failures of Job/before")
    wait_for(lambda: namespace.failures("Deployment", "web") >= 1, REPORT_SECONDS, "a failure of Deployment/web")
    output = release.uninstall()
    assert CRD in output, "helm says what it leaves"
    wait_for(lambda: not release.pods(), REPORT_SECONDS, "the operator's pod is gone")
    assert namespace.failures("Job", "before") == 3

    namespace.apply(make_job("away", FAIL, pods=2))
    wait_for(lambda: finished_pods(namespace, "away") == 2, REPORT_SECONDS, "two ends of Job/away")
    seen = ends(namespace, "web")
    wait_for(lambda: ends(namespace, "web") > seen, REPORT_SECONDS, "another end of Deployment/web")
    release.install()

    wait_for(lambda: namespace.failures("Job", "away") == 2, REPORT_SECONDS, "two failures of Job/away")
    wait_for(
        lambda: namespace.failures("Deployment", "web") == ends(namespace, "web"),
        REPORT_SECONDS,
        "every end of the Deployment",
    )
    # What failed last is reported last: whatever could have been counted twice has been counted by then.
    namespace.apply(make_job("after", FAIL))
    wait_for(lambda: namespace.failures("Job", "after") == 1, REPORT_SECONDS, "a failure of Job/after")
    assert namespace.failures("Job", "before") == 3
    assert namespace.failures("Job", "away") == 2


def test_only_named_namespaces_with_nothing_for_the_whole_cluster(
    release: Release, namespace: Namespace, other_namespace: Namespace
) -> None:
    release.server.kubectl("apply", "--server-side", "-f", str(CHART / "files" / "crds"))  # what an administrator does
    rbac = {"readSchemas": False, "userRoles": {"create": False}}
    release.install(crds={"enabled": False}, rbac=rbac, watchNamespaces=[namespace.name])
    other_namespace.apply(make_job("elsewhere", FAIL))
    wait_for(lambda: finished_pods(other_namespace, "elsewhere") == 1, REPORT_SECONDS, "the end of Job/elsewhere")
    namespace.apply(make_job("here", FAIL))
    wait_for(lambda: namespace.failures("Job", "here") == 1, REPORT_SECONDS, "a failure of Job/here")
    assert other_namespace.objects("failurereports") == []
    owned = release.server.kubectl("get", "clusterroles,clusterrolebindings", "-l", f"app.kubernetes.io/name={NAME}")
    assert f":{NAMESPACE}" not in owned
    assert "forbidden" not in release.log().lower()
