"""What an embedded API server holds of reports."""

from __future__ import annotations

from embedded_apiserver import EmbeddedApiServer
from tests.support.pods import Json


class Reports:
    """What the server holds of reports."""

    def __init__(self, server: EmbeddedApiServer) -> None:
        self._server = server

    def of(self, name: str) -> Json | None:
        """The report of the workload of this name; None if there is none with a status."""
        return next(
            (
                r
                for r in self._server.objects("FailureReport")
                if r["spec"]["workload"]["name"] == name and "status" in r
            ),
            None,
        )

    def existing(self, name: str) -> Json:
        """The same; LookupError if there is none."""
        report = self.of(name)
        if report is None:
            raise LookupError(f"no report of {name}")
        return report

    def status(self, name: str) -> Json:
        report = self.of(name)
        return report["status"] if report else {}

    def failures(self, name: str) -> int:
        count = self.status(name).get("failures", 0)
        assert isinstance(count, int)
        return count

    def state(self, name: str) -> str | None:
        return self.status(name).get("state")

    @property
    def writes(self) -> int:
        """Accepted or refused, on the status of reports."""
        return sum(call.is_write and "/failurereports/" in call.path for call in self._server.calls)
