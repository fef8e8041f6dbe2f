"""Fixtures that give tests a real Kubernetes, `api_server` and `cluster`; tests/conftest.py loads them."""

import contextlib
import os
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.cluster.scripts import NoKubernetesError
from tests.cluster.server import Server
from tests.cluster.sources import (
    MisconfiguredError,
    Source,
    api_server_sources,
    choose,
    cluster_sources,
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
    wanted = {name for item in session.items for name in SOURCES if name in getattr(item, "fixturenames", ())}
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    for name in sorted(wanted):
        try:
            source = choose(SOURCES[name]())
            if reporter:
                reporter.write_line(f"preparing {name} ({source}): minutes the first time, later nothing")
            source.prepare()
        except (NoKubernetesError, MisconfiguredError) as reason:
            unprepared[name] = str(reason)


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
