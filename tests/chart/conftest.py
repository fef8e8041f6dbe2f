"""Real helms of both major versions, and Prometheus' own tool."""

import functools
import shutil

import pytest

from tests.chart.charts import Helm, find_helm, refuse


@functools.cache
def helm_of(major: int) -> Helm:
    return Helm(find_helm(major))


@pytest.fixture
def helm() -> Helm:
    """Helm 4."""
    return helm_of(4)


@pytest.fixture(params=[4, 3], ids=["helm4", "helm3"])
def either_helm(request: pytest.FixtureRequest) -> Helm:
    """Helm 4, then Helm 3."""
    return helm_of(request.param)


@pytest.fixture
def promtool() -> str:
    """The program; skips where there is none, or fails with REQUIRE_PROMTOOL=1."""
    found = shutil.which("promtool")
    if found is None:
        refuse("REQUIRE_PROMTOOL", "promtool is not installed (Debian: apt-get install prometheus)")
    return found
