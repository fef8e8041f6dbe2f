"""What others do to FailureReports: each change and each deletion, also those during a gap of the watch.

A deleted CRD takes all reports with it. The watch then waits until it is back, and lists what there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from coroner_categorizer.objects.pod import Metadata


class ReportObject(msgspec.Struct, frozen=True):
    """A FailureReport, of which only the metadata is needed here."""

    metadata: Metadata = Metadata()


class ReportWatch:
    """The consumer of the list-watch of FailureReports."""

    def __init__(
        self,
        on_changed: Callable[[str, str, str], None],
        on_deleted: Callable[[str, str], None],
        written: Callable[[], Iterable[tuple[str, str]]] = tuple,
    ) -> None:
        """``on_changed`` is called with namespace, name and resource version, ``on_deleted`` with the first two.
        ``written``: those of the reports that were written, which the watch may not have shown yet.
        """
        self._written = written
        self._on_changed = on_changed
        self._on_deleted = on_deleted
        self._uids: dict[tuple[str, str], str] = {}
        """Namespace and name of every report that exists → its UID."""

    def on_update(self, report: ReportObject) -> None:
        meta = report.metadata
        self._uids[meta.namespace, meta.name] = meta.uid
        self._on_changed(meta.namespace, meta.name, meta.resourceVersion)

    def on_delete(self, report: ReportObject) -> None:
        self._delete(report.metadata.namespace, report.metadata.name)

    def on_list(self, namespace: str | None, uids: set[str]) -> None:
        gone = {key for key, uid in self._uids.items() if uid not in uids}
        gone.update(key for key in self._written() if key not in self._uids)
        for key in sorted(key for key in gone if namespace in (None, key[0])):
            self._delete(*key)

    def _delete(self, namespace: str, name: str) -> None:
        self._uids.pop((namespace, name), None)
        self._on_deleted(namespace, name)
