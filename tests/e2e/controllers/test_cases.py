"""The cases of each controller are complete and consistent."""

import re

import pytest

from tests.cluster.controllers.catalogue import CONTROLLERS
from tests.e2e.controllers.case import cases_of


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_a_controller_has_cases_with_and_without_a_failure(controller: str) -> None:
    assert {case.expected is None for case in cases_of(controller)} == {True, False}


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_names_tell_which_pod_is_whose(controller: str) -> None:
    cases = cases_of(controller)
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        assert case.objects[-1]["metadata"]["name"] == case.name
        assert [other.name for other in cases if other is not case and other.is_pod(f"{case.name}-0")] == []
        patterns = [*(step.pod for step in case.steps), *([case.expected.pod] if case.expected else [])]
        assert [pattern for pattern in patterns if not case.is_pod(pattern)] == []


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_what_is_expected_can_be(controller: str) -> None:
    for case in cases_of(controller):
        if case.expected:
            assert case.expected.workload == case.workload
            assert re.fullmatch(r"[a-z-]+/[a-z-]+", case.expected.verdict)
