"""Reports that others change or delete are noticed, whatever the watch has missed."""

from __future__ import annotations

import pytest

from coroner_categorizer.objects.pod import Metadata
from coroner_operator.reports.report_watch import ReportObject, ReportWatch


def report(name: str, uid: str, namespace: str = "ml", version: str = "1") -> ReportObject:
    return ReportObject(Metadata(name=name, namespace=namespace, uid=uid, resourceVersion=version))


class Noticed:
    def __init__(self) -> None:
        self.changed: list[tuple[str, str, str]] = []
        self.deleted: list[tuple[str, str]] = []
        self.watch = ReportWatch(lambda *change: self.changed.append(change), lambda *key: self.deleted.append(key))


@pytest.fixture
def noticed() -> Noticed:
    return Noticed()


def test_changes_and_deletions_are_passed_on(noticed: Noticed) -> None:
    noticed.watch.on_update(report("a", "u1", version="7"))
    noticed.watch.on_delete(report("a", "u1"))
    assert (noticed.changed, noticed.deleted) == ([("ml", "a", "7")], [("ml", "a")])


def test_what_a_later_list_lacks_was_deleted(noticed: Noticed) -> None:
    for name, namespace in (("a", "ml"), ("b", "ml"), ("c", "web")):
        noticed.watch.on_update(report(name, f"u-{name}", namespace))
    noticed.watch.on_list("ml", {"u-b"})
    assert noticed.deleted == [("ml", "a")]
    noticed.watch.on_list(None, set())  # as after a new CRD
    assert noticed.deleted == [("ml", "a"), ("ml", "b"), ("web", "c")]
    noticed.watch.on_list(None, set())
    assert len(noticed.deleted) == 3


def test_a_report_that_was_made_again_meanwhile_was_not_deleted(noticed: Noticed) -> None:
    noticed.watch.on_update(report("a", "u1"))
    noticed.watch.on_update(report("a", "u2"))
    noticed.watch.on_list(None, {"u2"})
    assert noticed.deleted == []


def test_what_was_written_and_no_list_ever_showed_was_deleted() -> None:
    deleted: list[tuple[str, str]] = []
    written = [("ml", "a"), ("ml", "b"), ("web", "c")]
    watch = ReportWatch(lambda *_: None, lambda *key: deleted.append(key), lambda: written)
    watch.on_update(report("a", "u1"))
    watch.on_list("ml", {"u1"})
    assert deleted == [("ml", "b")]
