"""Fixtures that give tests a real Kubernetes, `api_server`, `cluster` and `controllers`; tests/conftest.py loads them."""

import contextlib
import os
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.cluster.controllers import build
from tests.cluster.controllers.catalogue import Controller, selected
from tests.cluster.controllers.running import running
from tests.cluster.scripts import NoKubernetesError
from tests.cluster.server import Server
from tests.cluster.sources import (
    MisconfiguredError,
    Source,
    api_server_sources,
    choose,
    cluster_sources,
    find_kubectl,
)

SOURCES = {"api_server": api_server_sources, "cluster": cluster_sources}


class Kubernetes:
    """The servers of this test run: each source is started at most once, and ended with the run."""

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()
        self._running: dict[Source, Server] = {}

    def serve(self, source: Source) -> Server:
        """Raises NoKubernetesError."""
        if source not in self._running:
            self._running[source] = self._open.enter_context(source.start())
        return self._running[source]

    def end(self) -> None:
        self._open.close()


unprepared: dict[str, str] = {}
"""Fixture name -> why what it needs could not be prepared."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the collected tests need: minutes, once, which no test's own time limit should bear."""
    if session.config.option.collectonly:
        return
    asked_for = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    wanted = asked_for & SOURCES.keys()
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    for name in sorted(wanted):
        try:
            source = choose(SOURCES[name]())
            if reporter:
                reporter.write_line(f"preparing {name} ({source}): minutes the first time, later nothing")
            source.prepare()
        except (NoKubernetesError, MisconfiguredError) as reason:
            unprepared[name] = str(reason)
    if "controllers" in asked_for and "cluster" not in unprepared:
        try:
            prepare_controllers()
        except NoKubernetesError as reason:
            unprepared["controllers"] = str(reason)


def prepare_controllers() -> None:
    """Raises NoKubernetesError."""
    if obstacle := build.obstacle(selected()):
        raise NoKubernetesError(obstacle)
    if kubectl := find_kubectl():
        build.build(selected(), kubectl)


def refuse(reason: str) -> NoReturn:
    if os.environ.get("REQUIRE_CLUSTER"):
        pytest.fail(f"REQUIRE_CLUSTER is set, and no Kubernetes can be had: {reason}", pytrace=False)
    pytest.skip(f"no Kubernetes: {reason}")


def provide(name: str, running: Kubernetes) -> Server:
    """The server of fixture NAME; skips, or fails where a Kubernetes was asked for."""
    try:
        source = choose(SOURCES[name]())
        if name in unprepared:
            refuse(unprepared[name])
        return running.serve(source)
    except MisconfiguredError as fault:
        pytest.fail(str(fault), pytrace=False)
    except NoKubernetesError as reason:
        refuse(str(reason))


@pytest.fixture(scope="session")
def kubernetes_of_this_run() -> Iterator[Kubernetes]:
    running = Kubernetes()
    try:
        yield running
    finally:
        running.end()


@pytest.fixture(scope="session")
def api_server(kubernetes_of_this_run: Kubernetes) -> Server:
    """A real API server with etcd and, usually, the controller manager; no pods run."""
    return provide("api_server", kubernetes_of_this_run)


@pytest.fixture(scope="session")
def cluster(kubernetes_of_this_run: Kubernetes) -> Server:
    """A real Kubernetes with a node that runs pods."""
    return provide("cluster", kubernetes_of_this_run)


@pytest.fixture(scope="module")
def controllers(cluster: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Controller]]:
    """The selected controllers, on the cluster, for the tests of one module."""
    if not (cluster.kubeconfig.parent / "conf").is_dir():
        pytest.skip("controllers are processes of this machine: needs a cluster of tests/cluster/up")
    if "controllers" in unprepared:
        refuse(unprepared["controllers"])
    with running(cluster, selected(), tmp_path_factory.mktemp("controllers")):
        yield selected()
