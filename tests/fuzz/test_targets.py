"""A short run of each fuzz target, the same in every run, so that the targets keep working. ``make fuzz`` goes further."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_input_breaks_a_law(name: str, data: st.DataObject) -> None:
    target = TARGETS[name]
    target.check(data.draw(target.inputs))
