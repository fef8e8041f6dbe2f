"""The image on the nodes, the namespace that admits restricted pods alone, and a release that goes with the test."""

import json
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import yaml

from tests.chart.charts import Helm, find_helm, skip_or_fail
from tests.cluster.server import KubectlError, Server
from tests.container_image.image import TAG, ImageError, load_image, make_image
from tests.e2e.namespace import Namespace
from tests.e2e_chart.release import NAME, NAMESPACE, Release
from tests.support.waiting import wait_for

CRD = "failurereports.coroner.dev"
RESTRICTED = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}


@pytest.fixture(scope="session")
def helm() -> Helm:
    return Helm(find_helm(4))


@pytest.fixture(scope="session")
def operator_image(cluster: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """repository:tag of this tree's image, known to the nodes. E2E_IMAGE names one that they have already.

    Skips where no image can be made or loaded, or fails with REQUIRE_CLUSTER=1.
    """
    if given := os.environ.get("E2E_IMAGE"):
        return given
    try:
        load_image(cluster, make_image(tmp_path_factory.mktemp("image") / "coroner.tar"))
    except ImageError as error:
        skip_or_fail("REQUIRE_CLUSTER", f"no image of the operator: {error}")
    return TAG


@pytest.fixture(scope="session")
def restricted_namespace(cluster: Server) -> Iterator[None]:
    # An older definition can only be installed where there is none: kubectl may own its fields together with helm.
    cluster.kubectl("delete", "crd", CRD, "--ignore-not-found", "--wait=true")
    cluster.kubectl("apply", "-f", "-", input=json.dumps(RESTRICTED))
    yield
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
def release(helm: Helm, cluster: Server, operator_image: str, restricted_namespace: None) -> Iterator[Release]:
    """Not installed yet; uninstalled after the test, whatever it did."""
    made = Release(cluster, helm, operator_image)
    yield made
    made.uninstall()
    wait_for(lambda: not made.pods(), 60, "the operator's pod is gone")
    # The uninstall took its rights before the leader could give the Lease back: the next one would wait until it is over.
    cluster.kubectl("delete", "lease", NAME, "-n", NAMESPACE, "--ignore-not-found")


@pytest.fixture
def namespace(cluster: Server) -> Iterator[Namespace]:
    """A namespace of this test's own, where pods run."""
    yield from fresh_namespace(cluster)


@pytest.fixture
def other_namespace(cluster: Server) -> Iterator[Namespace]:
    yield from fresh_namespace(cluster)


def fresh_namespace(server: Server) -> Iterator[Namespace]:
    wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "coroner-chart-test-"}}
    text = server.kubectl("create", "-f", "-", "-o", "name", input=json.dumps(wanted))
    name = text.strip().removeprefix("namespace/")
    wait_for(lambda: server.kubectl("get", "serviceaccounts", "-n", name, "-o", "name"), 30, f"an account in {name}")
    yield Namespace(server, name)
    server.kubectl("delete", "namespace", name, "--wait=false")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what became of the operator's pod."""
    report = yield
    release = getattr(item, "funcargs", {}).get("release")
    if release is not None and report.when == "call" and report.failed:
        try:
            report.sections.append(("the operator's pod", release.state()))
            report.sections.append(("the operator's log", release.log()[-8000:]))
        except KubectlError as error:
            report.sections.append(("the operator's pod", str(error)))
    return report


def older_chart(chart: Path, into: Path, *fields: str) -> Path:
    """A copy of CHART whose CRD does not know these fields of the status yet."""
    copy = into / "older-chart"
    shutil.copytree(chart, copy)
    file = copy / "files" / "crds" / f"{CRD}.yaml"
    crd = yaml.safe_load(file.read_text())
    for version in crd["spec"]["versions"]:
        status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
        for field in fields:
            del status["properties"][field]
        version["additionalPrinterColumns"] = [
            column
            for column in version["additionalPrinterColumns"]
            if column["jsonPath"].rsplit(".", 1)[-1] not in fields
        ]
        # rules may name what is not there yet
        status.pop("x-kubernetes-validations", None)
    file.write_text(yaml.safe_dump(crd))
    return copy
