"""When a scenario has come about: what the API must show."""

from collections.abc import Iterator

from tests.e2e.support.scenario import Condition, Manifest, Seen


def statuses(seen: Seen) -> Iterator[Manifest]:
    status = seen.pod.get("status", {})
    yield from status.get("initContainerStatuses", ())
    yield from status.get("containerStatuses", ())


def ended(seen: Seen) -> bool:
    return seen.pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def running(seen: Seen) -> bool:
    """Every container runs."""
    found = list(statuses(seen))
    return bool(found) and all("running" in s["state"] for s in found)


def is_ready(seen: Seen) -> bool:
    return has_condition(seen.pod, "Ready", "True")


def started(seen: Seen) -> bool:
    return any(s.get("started") for s in statuses(seen))


def unschedulable(seen: Seen) -> bool:
    conditions = seen.pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "PodScheduled" and c.get("reason") == "Unschedulable" for c in conditions)


def gone(seen: Seen) -> bool:
    return seen.gone


def crash_looping(seen: Seen) -> bool:
    return waits("CrashLoopBackOff")(seen)


def waits(*reasons: str) -> Condition:
    """A container waits for one of these reasons."""
    return lambda seen: any(s["state"].get("waiting", {}).get("reason") in reasons for s in statuses(seen))


def says(reason: str, text: str = "") -> Condition:
    """An event about the pod."""
    return lambda seen: _has_event(seen.events, reason, text)


def owner_says(reason: str, text: str = "") -> Condition:
    """An event about the workload."""
    return lambda seen: _has_event(seen.owner_events, reason, text)


def owner_is(type_: str, status: str = "True") -> Condition:
    return lambda seen: has_condition(seen.owner, type_, status)


def pod_is(type_: str, status: str = "True") -> Condition:
    return lambda seen: has_condition(seen.pod, type_, status)


def restarted(times: int) -> Condition:
    return lambda seen: any(s.get("restartCount", 0) >= times for s in statuses(seen))


def every(*conditions: Condition) -> Condition:
    return lambda seen: all(c(seen) for c in conditions)


def terminated(container: str) -> Condition:
    return lambda seen: any("terminated" in s["state"] for s in statuses(seen) if s["name"] == container)


def has_condition(obj: Manifest, type_: str, status: str) -> bool:
    conditions = obj.get("status", {}).get("conditions", ())
    return any(c["type"] == type_ and c["status"] == status for c in conditions)


def _has_event(events: list[Manifest], reason: str, text: str) -> bool:
    return any(e["reason"] == reason and text in e.get("message", "") for e in events)
