"""What is stored is input: whoever may write failurereports/status writes it. Bad input never harms a later write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coroner_categorizer.verdict import FailureKey
from coroner_operator.model import ledger_codec, sample_reports
from coroner_operator.model.ledger import POD_DIGITS, SERIES_DIGITS, UNOBSERVED, Entry, Ledger
from coroner_operator.model.ledger_builder import LedgerBuilder
from coroner_operator.model.ledger_codec import base36
from coroner_operator.model.observation import whole_seconds
from coroner_operator.model.report_codec import from_object, labels, to_object, to_status
from tests.report_model.observations import EMPTY

NOW = datetime(2026, 3, 2, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
POD, CONTAINER = "p" * POD_DIGITS, "c" * SERIES_DIGITS
NAME = "#resources/oom-killed*1@1"
AT = base36(EPOCH)


def read(*words: str) -> Ledger | None:
    return ledger_codec.from_text(["v1", *words], EPOCH)


def written_on(ledger: Ledger) -> None:
    """Everything that later writes do with a ledger."""
    builder = LedgerBuilder(ledger)
    for number in (1, 2, 50):
        builder.find(FailureKey("pod", "main", "x"), number)
        builder.record(FailureKey("pod", "main", "x"), number, Entry(EPOCH, -1, "Confirmed", UNOBSERVED), EPOCH)
    builder.prune([], EPOCH, 0)
    builder.prune([], EPOCH + 10, 0)
    ledger_codec.to_text(builder.build())
    ledger_codec.to_text(ledger)
    ledger_codec.to_text(ledger.without_observation_times())
    assert sum(count.total for count in ledger.counts().values()) >= ledger.unobserved >= 0


@pytest.mark.parametrize(
    "words",
    [
        (NAME, f"{POD}:{CONTAINER}1.3C0@{AT}"),  # an instance before the first
        (NAME, f"{POD}:{CONTAINER}3.3C0@{AT}"),
        (NAME, f"{POD}:{CONTAINER}3/2.1C0@{AT}"),  # open, and in the sums as well
        (NAME, f"{POD}:{CONTAINER}3/5"),  # more in the sums than have ended: -2 more are to come
        (
            "#a/b*1",
            f"{POD}:{CONTAINER}9.8C0@1.9C0@1.aC0@1.bC0@1.cC0@1",
        ),  # -4 would be compacted, whose digits have no end
        (NAME, f"{POD}:{CONTAINER}zzzz"),  # more open ones than are ever left open
        (NAME, f"{POD}:{CONTAINER}{'z' * 400}"),
        (NAME, f"{POD}={CONTAINER}C0@{'z' * 7}"),  # the year 4453
        (NAME, f"{POD}={CONTAINER}C0@{'z' * 60}"),
        (NAME, f"{POD}={CONTAINER}C0@{AT}~{'z' * 7}"),
        (NAME, f"{POD}!zzzzzzz={CONTAINER}C0@{AT}"),
        (NAME, f"{POD}={CONTAINER}C1@{AT}"),  # a name that is not there
        (f"#a/b*1@{'z' * 9}",),
        (f"#a/b*{'z' * 40}",),
        ("#a\x1b[2J/b*1",),
        (f"#{'a' * 64}/b*1",),
        ("#-a/b*1",),
        ("#a/b*1", "#a/b*2"),
        ("wzzzzzzzzz",),
        ("w" + base36(EPOCH + 86_401 * 2),),  # nothing would be counted until then
        ("u1",),  # more unobserved ones than the sums have
        ("#unknown/uncategorized*1", "u2"),
        ("u" + "z" * 40,),
        tuple(f"#a/b{number}*1" for number in range(200)),
        (NAME, *(f"{number:08}:{CONTAINER}1" for number in range(20_001))),
    ],
    ids=lambda words: " ".join(words)[:60].encode("unicode_escape").decode(),
)
def test_a_ledger_that_no_version_has_written_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="ledger"):
        read(*words)


@given(
    st.lists(
        st.one_of(
            st.builds("#a/{}*{}@{}".format, st.sampled_from("bcd"), *[st.text("019az", max_size=12)] * 2),
            st.builds("w{}".format, st.text("019az", max_size=12)),
            st.builds("u{}".format, st.text("019az", max_size=12)),
            st.builds(
                "{}:{}{}/{}.{}C{}@{}".format,
                *(st.sampled_from([POD, "q" * POD_DIGITS]), st.just(CONTAINER)),
                *[st.text("019az", min_size=1, max_size=3)] * 5,
            ),
            st.builds("{}={}{}{}@{}~{}".format, st.just(POD), st.just(CONTAINER), *[st.text("CLU09z", max_size=9)] * 4),
            st.text(max_size=9),
        )
    )
)
@settings(max_examples=500, deadline=timedelta(milliseconds=200))
def test_whatever_is_read_can_be_written(words: list[str]) -> None:
    try:
        ledger = read(*words)
    except ValueError:
        return
    if ledger is not None:
        written_on(ledger)
        assert ledger_codec.from_text(ledger_codec.to_text(ledger), EPOCH) == ledger


def test_a_negative_number_has_no_digits() -> None:
    with pytest.raises(ValueError, match="-2"):
        base36(-2)


def stored(**changes: Any) -> dict[str, Any]:
    """A report through JSON, with these fields of its status changed; None: removed."""
    report = sample_reports.failing()
    obj: dict[str, Any] = json.loads(json.dumps({**to_object(report), "status": to_status(report)}))
    obj["status"] = {k: v for k, v in {**obj["status"], **changes}.items() if v is not None}
    return obj


LATE = "4453-01-01T00:00:00Z"


def entry(**changes: Any) -> Mapping[str, Any]:
    return {**stored()["status"]["history"][0], **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"firstSeen": LATE},
        {"lastSeen": LATE},
        {"recoveredAt": LATE},
        {"failedAt": LATE},
        {"seenAt": LATE},
        {"failedAt": "9999-12-31T23:59:59-23:00"},
        {"failedAt": 5},
        {"failingSince": LATE},
        {"state": "Failed", "endedAt": LATE},
        {"state": "Failed", "endedAt": "2026-01-01T00:00:00Z", "failureID": None},
        {"state": "Deleted", "deletedAt": LATE},
        {"state": "Deleted", "deletedAt": "2026-01-01T00:00:00Z", "message": 5},
        {"retry": "Always"},
        {"confidence": "Certain"},
        {"confidence": None},
        {"failureID": None},
        {"failureID": "x" * 65},
        {"message": "x" * 1025},
        {"message": {"a": 1}},
        {"exitCode": 2**40},
        {"exitCode": "1"},
        {"category": "a/b c"},
        {"categories": ["a"] * 33},
        {"categories": [["a"]]},
        {"evidence": [{"source": "x"}]},
        {"evidence": [{"source": "x", "text": "y"}] * 17},
        {"pod": "x"},
        {"pod": {"name": "x" * 254}},
        {"rules": "x" * 65},
        {"rules": 7},
        {"history": [entry(confidence="?")]},
        {"history": [entry(failedAt=LATE)]},
        {"history": [entry()] * 21},
        {"history": {"a": 1}},
        {"ledger": ["v1 u1"]},
        {"ledger": [5]},
        {"ledger": ["v1", *["x" * 1024] * 1024]},
        {"ledger": None, "counts": [{"category": "a", "subcategory": "b", "count": -5}]},
        {"ledger": None, "counts": [{"category": "a", "subcategory": "b", "count": 2**62}]},
        {"ledger": None, "counts": [{"category": "a b", "subcategory": "b", "count": 1}]},
        {"ledger": None, "counts": [{"category": "a", "count": 1, "lastSeen": LATE}]},
        {"ledger": None, "counts": [{"category": f"a{number}", "count": 1} for number in range(129)]},
        {"ledger": None, "unseen": -1},
        {"ledger": None, "unseen": 2**62},
        {"ledger": None, "restartsByRule": 2**62},
        {"ledger": ["v1 AAAAAAAA+zzzzzzz"]},
        {"state": "Lost"},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_a_status_that_no_version_has_written_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a FailureReport"):
        from_object(stored(**changes), NOW)


@pytest.mark.parametrize("part", ["name", "uid", "kind"])
def test_a_report_under_the_name_of_another_workload_is_refused(part: str) -> None:
    obj = stored()
    obj["spec"]["workload"][part] = "other"
    with pytest.raises(ValueError, match=r"not a FailureReport.*name"):
        from_object(obj, NOW)


def test_a_clock_that_is_a_little_behind_refuses_nothing() -> None:
    report = sample_reports.failing()
    assert report.last_seen is not None
    assert from_object(stored(), report.last_seen - timedelta(hours=20)) == report


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(stored()["status"])), json_values, min_size=1, max_size=3))
@settings(max_examples=500, deadline=timedelta(milliseconds=200))
def test_whatever_a_field_holds_the_report_is_read_and_can_be_written_or_is_refused(changes: dict[str, Any]) -> None:
    try:
        report = from_object(stored(**changes), NOW)
    except ValueError:
        return
    to_object(report), to_status(report), labels(report), hash(report.history[0].order) if report.history else None
    assert report.workload == EMPTY.workload or report.workload.uid == sample_reports.failing().workload.uid
    written_on(report.ledger)


def test_a_time_at_the_end_of_the_calendar_in_another_zone_is_one_of_the_calendar() -> None:
    """Events and statuses may hold it, and Python cannot write it in UTC."""
    last = datetime.fromisoformat("9999-12-31T23:59:59-23:00")
    assert whole_seconds(last) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
