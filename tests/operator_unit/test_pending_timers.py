"""Which patience applies to a pod that waits, and from when it is counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import coroner_categorizer as cc
from coroner_operator.config.settings import GracePeriods
from coroner_operator.controller.pending_timers import PendingTimers, pending_phase
from tests.support.live_objects import live_pod, waiting
from tests.support.waiting import until


def parsed(**more: Any) -> cc.Pod:
    return cc.parse_pod(live_pod("pod", phase="Pending", pod_uid="uid", **more))


@pytest.mark.parametrize(
    ("reason", "awaited"),
    [
        ("ErrImagePull", "image_pull"),
        ("ImagePullBackOff", "image_pull"),
        ("CreateContainerConfigError", "image_pull"),
        ("ContainerCreating", "container_creating"),
        ("PodInitializing", "container_creating"),
    ],
)
def test_the_waiting_reason_decides(reason: str, awaited: str) -> None:
    assert pending_phase(parsed(state=waiting(reason))) == awaited


def test_a_pod_without_a_node_waits_for_one() -> None:
    obj = live_pod("pod", phase="Pending")
    obj["status"] = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}
    assert pending_phase(cc.parse_pod(obj)) == "unschedulable"


async def test_a_wait_is_timed_from_its_first_sight_through_all_its_flips() -> None:
    woken: list[str] = []
    waits = PendingTimers(GracePeriods(image_pull=0.2), woken.append)
    flipping = [parsed(state=waiting(reason)) for reason in ("ErrImagePull", "ImagePullBackOff")]
    assert not waits.has_expired(flipping[0])
    began = asyncio.get_running_loop().time()
    for number in range(10):
        waits.has_expired(flipping[number % 2])
    await until(lambda: woken)
    assert asyncio.get_running_loop().time() - began >= 0.19
    assert waits.has_expired(flipping[0])
    assert woken == ["uid"]


async def test_what_has_healed_is_timed_anew() -> None:
    waits = PendingTimers(GracePeriods(image_pull=0), lambda uid: None)
    assert waits.has_expired(parsed(state=waiting("ErrImagePull")))
    waits.clear("uid")
    assert len(waits) == 0


async def test_a_pod_that_starts_is_still_timed_after_a_look_that_found_nothing() -> None:
    woken: list[str] = []
    waits = PendingTimers(GracePeriods(container_creating=0.1), woken.append)
    starting = parsed(state=waiting("ContainerCreating"))
    waits.has_expired(starting)
    assert waits.reportable(starting, ()) == ()
    await until(lambda: woken == ["uid"])


async def test_no_timer_is_left_behind() -> None:
    woken: list[str] = []
    waits = PendingTimers(GracePeriods(image_pull=0.05), woken.append)
    waits.has_expired(parsed(state=waiting("ErrImagePull")))
    waits.close()
    began = asyncio.get_running_loop().time()
    await until(lambda: asyncio.get_running_loop().time() > began + 0.1)
    assert woken == []
