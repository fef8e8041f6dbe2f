"""Every scenario."""

from tests.e2e.scenarios import (
    container_start,
    exit_codes,
    images,
    jobs,
    lookalikes,
    node,
    pod_creation,
    pod_termination,
    probes,
    program_output,
    rare_cases,
    recovery,
    scheduling,
)

SCENARIOS = (
    *exit_codes.SCENARIOS,
    *program_output.SCENARIOS,
    *container_start.SCENARIOS,
    *images.SCENARIOS,
    *scheduling.SCENARIOS,
    *pod_creation.SCENARIOS,
    *probes.SCENARIOS,
    *pod_termination.SCENARIOS,
    *jobs.SCENARIOS,
    *lookalikes.SCENARIOS,
    *rare_cases.SCENARIOS,
    *recovery.SCENARIOS,
    *node.SCENARIOS,
)
