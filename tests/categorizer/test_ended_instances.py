"""One ended instance of a container has one number, in whatever state the kubelet shows it: by that it is counted."""

import pytest

import coroner_categorizer as cc
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import LATER, Json, failed, pod, running, terminated, waiting

FIRST = terminated(9)
SECOND = terminated(1, at=LATER)
LOST = {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": None, "finishedAt": None}


def made_and_not_started(last: Json, reason: str = "", restarts: int = 1) -> Json:
    """The next instance: the kubelet counts the restart when it makes it (kubelet_pods.go: ContainerStateCreated)."""
    return waiting(reason, last=last, restarts=restarts) | {"containerID": "containerd://next"}


@pytest.mark.parametrize(
    "main",
    [
        failed(9),
        waiting("CrashLoopBackOff", last=FIRST),
        made_and_not_started(FIRST),
        made_and_not_started(FIRST, "RunContainerError"),
        made_and_not_started(FIRST, "ContainerCreating"),
        running(last=FIRST, restarts=1),
    ],
    ids=["ended", "backing off", "next one made", "next one cannot start", "next one being made", "running again"],
)
def test_the_first_instance_is_number_one_in_each_state(main: Json) -> None:
    assert numbers(main) == {FIRST["containerID"]: 1}


def test_two_instances_have_two_numbers() -> None:
    ended_again = failed(1, at=LATER) | {"restartCount": 1, "lastState": {"terminated": FIRST}}
    both = {FIRST["containerID"]: 1, SECOND["containerID"]: 2}
    assert numbers(ended_again) == both
    assert numbers(waiting("CrashLoopBackOff", last=SECOND, restarts=1)) == {SECOND["containerID"]: 2}
    assert numbers(made_and_not_started(SECOND, restarts=2)) == {SECOND["containerID"]: 2}


def test_an_instance_that_the_kubelet_lost_is_counted_with_the_restart_after_it() -> None:
    (number,) = numbers(waiting("ContainerCreating", last=LOST, restarts=1)).values()
    assert number == 1


def numbers(main: Json) -> dict[str, int | None]:
    found = CATEGORIZER.classify_pod(cc.parse_pod(pod(main, restart_policy="Always"))).failures
    return {failure.key.instance: failure.ended_instances for failure in found}
