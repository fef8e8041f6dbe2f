"""Fixtures: helm programs of both major versions, and promtool."""

import functools
import shutil

import pytest

from tests.chart.charts import Helm, find_helm, skip_or_fail


@functools.cache
def helm_with_major(major: int) -> Helm:
    return Helm(find_helm(major))


@pytest.fixture
def helm() -> Helm:
    """Helm 4."""
    return helm_with_major(4)


@pytest.fixture(params=[4, 3], ids=["helm4", "helm3"])
def either_helm(request: pytest.FixtureRequest) -> Helm:
    """Helm 4, then Helm 3."""
    return helm_with_major(request.param)


@pytest.fixture
def promtool() -> str:
    """The program. Skips if it is not installed, or fails with REQUIRE_PROMTOOL=1."""
    found = shutil.which("promtool")
    if found is None:
        skip_or_fail("REQUIRE_PROMTOOL", "promtool is not installed (Debian: apt-get install prometheus)")
    return found
