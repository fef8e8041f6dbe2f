"""Every scenario."""

from tests.e2e.scenarios import (
    creating,
    ending,
    exits,
    healing,
    images,
    jobs,
    near_misses,
    node,
    probes,
    python_ends,
    rare,
    scheduling,
    starting,
)

SCENARIOS = (
    *exits.SCENARIOS,
    *python_ends.SCENARIOS,
    *starting.SCENARIOS,
    *images.SCENARIOS,
    *scheduling.SCENARIOS,
    *creating.SCENARIOS,
    *probes.SCENARIOS,
    *ending.SCENARIOS,
    *jobs.SCENARIOS,
    *near_misses.SCENARIOS,
    *rare.SCENARIOS,
    *healing.SCENARIOS,
    *node.SCENARIOS,
)
