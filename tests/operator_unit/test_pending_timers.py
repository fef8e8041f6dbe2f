"""Which grace period applies to a pod that waits, and from when it is counted."""

from __future__ import annotations

import asyncio

import pytest

import coroner_categorizer as cc
from coroner_operator.config.settings import GracePeriods
from coroner_operator.controller.pending_timers import PendingTimers, pending_phase
from tests.support.live_objects import live_pod, waiting
from tests.support.pods import Json


def parsed(state: Json) -> cc.Pod:
    return cc.parse_pod(live_pod("pod", phase="Pending", pod_uid="uid", state=state))


@pytest.mark.parametrize(
    ("reason", "phase"),
    [
        ("ErrImagePull", "image_pull"),
        ("ImagePullBackOff", "image_pull"),
        ("CreateContainerConfigError", "image_pull"),
        ("ContainerCreating", "container_creating"),
        ("PodInitializing", "container_creating"),
    ],
)
def test_the_waiting_reason_decides(reason: str, phase: str) -> None:
    assert pending_phase(parsed(waiting(reason))) == phase


def test_a_pod_without_a_node_waits_for_one() -> None:
    obj = live_pod("pod", phase="Pending")
    obj["status"] = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}
    assert pending_phase(cc.parse_pod(obj)) == "unschedulable"


async def test_a_wait_is_timed_from_its_first_observation_through_all_its_flips() -> None:
    timers = PendingTimers(GracePeriods(image_pull=0.2))
    flipping = [parsed(waiting(reason)) for reason in ("ErrImagePull", "ImagePullBackOff")]
    began = _now()
    assert not timers.has_expired(flipping[0])
    flips = 0
    while (left := timers.seconds_left("uid")) is not None:
        assert left <= 0.2 - (_now() - began) + 0.01
        flips += 1
        timers.has_expired(flipping[flips % 2])
        await asyncio.sleep(left / 2 + 0.001)
    assert flips > 2
    assert _now() - began >= 0.19
    assert timers.has_expired(flipping[0])


async def test_each_phase_has_its_own_grace_period() -> None:
    timers = PendingTimers(GracePeriods(image_pull=0, container_creating=50))
    assert not timers.has_expired(parsed(waiting("ContainerCreating")))
    assert timers.seconds_left("uid") == pytest.approx(50, abs=1)
    assert timers.has_expired(parsed(waiting("ErrImagePull")))
    assert timers.seconds_left("uid") is None


async def test_a_pod_that_waits_again_later_is_timed_from_zero() -> None:
    timers = PendingTimers(GracePeriods(image_pull=0))
    assert timers.has_expired(parsed(waiting("ErrImagePull")))
    timers.clear("uid")
    assert len(timers) == 0


async def test_a_pod_that_starts_is_still_timed_after_a_look_that_found_nothing() -> None:
    timers = PendingTimers(GracePeriods(container_creating=0.1))
    starting = parsed(waiting("ContainerCreating"))
    assert not timers.has_expired(starting)
    assert timers.reportable(starting, ()) == ()
    assert timers.seconds_left("uid") is not None


async def test_a_pod_that_waits_for_nothing_has_no_time_left() -> None:
    assert PendingTimers(GracePeriods()).seconds_left("uid") is None


def _now() -> float:
    return asyncio.get_running_loop().time()
