"""Small observations for tables, and random ones for laws."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import strategies as st

from coroner_categorizer.verdict import Confidence, Evidence, Failure, FailureKey, Retry, Verdict
from coroner_operator.model.observation import Member, Observation
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import WorkloadRef

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
JOB = WorkloadRef("batch/v1", "Job", "team-a", "train-llm", "3f2a9c1b-7d0e-4a52-9b1c-0f6f3d2e8a47")
EMPTY = Report(JOB)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def verdict(
    name: str = "resources/oom-killed",
    reason: str = "OOMKilled",
    message: str = "killed",
    confidence: Confidence = "Confirmed",
    container: str | None = "main",
    exit_code: int | None = 137,
    **more: object,
) -> Verdict:
    category, _, subcategory = name.partition("/")
    fields: dict[str, object] = {
        "hint": "",
        "retry": "Unknown",
        "evidence": (),
        "rule": None,
        "categories": (category,),
        **more,
    }
    return Verdict(
        category=category,
        subcategory=subcategory,
        reason=reason,
        message=message,
        confidence=confidence,
        container=container,
        exit_code=exit_code,
        **fields,  # type: ignore[arg-type]
    )


def observation(
    failure: Failure,
    seen: float | None = None,
    node: str = "node-1",
    *,
    created: float | None = None,
    attempt: int = 0,
) -> Observation:
    uid = failure.key.pod_uid
    observed_at = at(seen) if seen is not None else (failure.at or T0) + timedelta(seconds=1)
    pod_created = None if created is None else at(created)
    member = Member(attempt=attempt)
    return Observation(f"train-{uid}", uid, node, failure, observed_at, pod_created=pod_created, member=member)


def ended(
    pod: str = "p1",
    number: int = 1,
    when: float | None = 0,
    name: str = "resources/oom-killed",
    *,
    container: str = "main",
    current: bool = True,
    seen: float | None = None,
    confidence: Confidence = "Confirmed",
    consequence: bool = False,
    created: float | None = None,
    attempt: int = 0,
    **more: object,
) -> Observation:
    """The ``number``-th end of a container, ``when`` seconds after T0; ``created``: when the pod was."""
    said = verdict(name, container=container, confidence=confidence, **more)  # type: ignore[arg-type]
    identity = FailureKey(pod, container, f"containerd://{pod}-{container}-{number}")
    time = None if when is None else at(when)
    failure = Failure(identity, said, time, current, ended_instances=number, consequence=consequence)
    return observation(failure, seen, created=created, attempt=attempt)


def waits(
    pod: str = "p1",
    when: float | None = 0,
    name: str = "user-config/image-auth",
    *,
    seen: float = 1,
    confidence: Confidence = "Confirmed",
    reason: str = "ErrImagePull",
    of: str = "image",
    created: float | None = None,
) -> Observation:
    """A container that waits for something, its image if nothing else is said; ``name``: the cause that this look showed."""
    said = verdict(name, reason, f"waits: {name}", confidence, exit_code=None)
    time = None if when is None else at(when)
    return observation(Failure(FailureKey(pod, "main", of), said, time, True, waiting=True), seen, created=created)


def deleted(pod: str = "p1", when: float = 0, *, created: float | None = None, attempt: int = 0) -> Observation:
    """A pod that was deleted while it ran, and whose containers had ended then."""
    said = verdict("cancelled/deleted", "Deleted", "the pod was deleted while it was running", exit_code=None)
    failure = Failure(FailureKey(pod, "", "DeletedWhileRunning"), said, at(when), True, consequence=True)
    return observation(failure, created=created, attempt=attempt)


def pod_failed(
    pod: str = "p1", when: float = 0, name: str = "disruption/preempted", *, current: bool = True
) -> Observation:
    said = verdict(name, "PreemptionByScheduler", "preempted", container=None, exit_code=None)
    return observation(Failure(FailureKey(pod, "", "PreemptionByScheduler"), said, at(when), current))


CATEGORIES = ["resources/oom-killed", "user-code/error-exit", "platform/sandbox", "unknown/sigkill", "/"]

# any text that a verdict may hold, and what it should never hold: NUL, escapes, lone surrogates, too much of it
_TEXTS = st.one_of(
    st.text(max_size=20),
    st.text(alphabet=st.characters(min_codepoint=0xD7FF, max_codepoint=0xE000), max_size=4),
    st.sampled_from(["", "\0", "\x1b[31mred", "x" * 5000, "💥" * 2000, "a b/c*d@e#f", "OutOfephemeral-storage"]),
)
_CONFIDENCES: st.SearchStrategy[Confidence] = st.sampled_from(["Confirmed", "Likely", "Unknown"])
_RETRIES: st.SearchStrategy[Retry] = st.sampled_from(["MayRecover", "NeedsChange", "Unknown"])
_MAYBE_TEXT = st.none() | _TEXTS

wild_verdicts = st.builds(
    Verdict,
    category=_TEXTS,
    subcategory=_TEXTS,
    categories=st.lists(_TEXTS, max_size=40).map(tuple),
    reason=_TEXTS,
    message=_TEXTS,
    hint=_TEXTS,
    retry=_RETRIES,
    confidence=_CONFIDENCES,
    container=_MAYBE_TEXT,
    exit_code=st.none() | st.integers(-(2**40), 2**40),
    evidence=st.lists(st.builds(Evidence, _TEXTS, _TEXTS), max_size=20).map(tuple),
    rule=_MAYBE_TEXT,
    signal=_MAYBE_TEXT,
    termination_message=_MAYBE_TEXT,
)

wild_observations = st.builds(
    Observation,
    pod_name=_TEXTS,
    pod_uid=_TEXTS,
    node=_TEXTS,
    failure=st.builds(
        Failure,
        key=st.builds(FailureKey, _TEXTS, _TEXTS, _TEXTS),
        verdict=wild_verdicts,
        at=st.none() | st.datetimes(timezones=st.none() | st.just(UTC)),
        current=st.booleans(),
        ended_instances=st.none() | st.integers(-3, 2**31),
        waiting=st.booleans(),
    ),
    observed_at=st.datetimes(timezones=st.just(UTC), min_value=datetime(1971, 1, 1)),
)


@st.composite
def plausible_histories(draw: st.DrawFn, ends: int = 6) -> list[list[Observation]]:
    """What was observed of each of some pods, in its order: crashing containers, waits whose cause changes.

    ``ends``: of a container, at most. Times of one instance agree between observations, and one is never before what it
    sees, as in a cluster.
    """
    pods = []
    for pod in draw(st.lists(st.sampled_from(["p1", "p2", "p3", "p4"]), unique=True, min_size=1)):
        seen: list[Observation] = []
        for container in draw(st.lists(st.sampled_from(["main", "side"]), unique=True)):
            for number in draw(st.lists(st.integers(1, 8), max_size=ends)):
                seen.append(
                    ended(
                        pod,
                        number,
                        number * 10,
                        draw(st.sampled_from(CATEGORIES)),
                        container=container,
                        current=draw(st.booleans()),
                        seen=number * 10 + draw(st.integers(0, 50)),
                        confidence=draw(_CONFIDENCES),
                        message=draw(st.sampled_from(["one", "two"])),
                    )
                )
        dated = draw(st.booleans())
        for look in draw(st.lists(st.integers(30, 90), max_size=4)):
            name = draw(st.sampled_from(CATEGORIES))
            began = draw(st.integers(0, 30)) if dated else 5
            seen.append(waits(pod, began, name, seen=look, confidence=draw(_CONFIDENCES)))
        if draw(st.booleans()):
            seen.append(pod_failed(pod, draw(st.integers(0, 99)), current=draw(st.booleans())))
        pods.append(sorted(seen, key=lambda observation: observation.observed_at))
    return pods


def in_one(pods: Sequence[Sequence[Observation]]) -> list[Observation]:
    return [observation for history in pods for observation in history]


plausible_observations = plausible_histories().map(in_one)
few_observations = plausible_histories(ends=2).map(in_one)
"""No more than a history holds."""


def interleaved(pods: Sequence[Sequence[Observation]], random: Random) -> list[Observation]:
    """The observations of several pods as they may come between each other, some of them received twice."""
    waiting = [list(history) for history in pods]
    received: list[Observation] = []
    while waiting := [history for history in waiting if history]:
        history = random.choice(waiting)
        received += [history[0]] * random.choice((1, 1, 2))
        del history[0]
    return received


def in_batches(seen: Sequence[Observation], cuts: Sequence[int]) -> list[Sequence[Observation]]:
    """The same observations, cut at these places."""
    places = sorted({0, len(seen), *(cut % (len(seen) + 1) for cut in cuts)})
    return [seen[a:b] for a, b in pairwise(places)]
