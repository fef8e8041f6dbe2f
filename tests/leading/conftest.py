"""The server, reports and operators of tests/flow."""

from tests.flow.conftest import operators, reports, server

__all__ = ["operators", "reports", "server"]
