"""The server, reports and operators of tests/operator_flows."""

from tests.operator_flows.conftest import operators, reports, server

__all__ = ["operators", "reports", "server"]
