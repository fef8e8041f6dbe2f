"""``python -m tests.support.audited_permissions FOLDER``: the shipped roles are what the tests' API servers were asked for.

FOLDER holds the audit logs of the API servers of a whole test run (AUDIT_LOGS). Exit status 1 where the operator asked
for something that deploy/rbac.yaml does not grant, or never asked for something that it does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.support.audit import Call, operator_calls
from tests.support.permissions import Permission, granted, of_a_listed_kind, shipped_roles

CREATED = 201


def asked_for(calls: Iterable[Call]) -> set[Permission]:
    """The permissions that these calls need."""
    return {permission for call in calls for permission in _asked_for(call)}


def _asked_for(call: Call) -> Iterator[Permission]:
    ref = call.objectRef
    if ref.resource:  # else discovery, which is open to everybody
        yield Permission(ref.apiGroup, call.resource, call.verb)
        if call.verb == "patch" and call.responseStatus.code == CREATED:  # an apply of what is not there
            yield Permission(ref.apiGroup, call.resource, "create")


def differences(asked: set[Permission], shipped: set[Permission]) -> list[str]:
    """One line each, sorted. Kinds of groups that the roles do not name are those that a site lists."""
    groups = {permission.group for permission in shipped}
    of_listed = {
        allowed
        for group, resource, _verb in asked
        if group not in groups
        for allowed in of_a_listed_kind(group, resource.partition("/")[0])
    }
    return [
        *(f"asked for and not granted: {_line(each)}" for each in sorted(asked - shipped - of_listed)),
        *(f"granted and never asked for: {_line(each)}" for each in sorted(shipped - asked)),
    ]


def _line(permission: Permission) -> str:
    return f"{permission.verb} {permission.resource}{'.' if permission.group else ''}{permission.group}"


def main(folder: Path) -> int:
    logs = sorted(folder.glob("*.log"))
    if not logs:
        print("no API server wrote an audit log: whether the roles are what is asked for was not checked")
        return 1 if os.environ.get("REQUIRE_CLUSTER") else 0
    calls = [call for log in logs for call in operator_calls(log)]
    asked, shipped = asked_for(calls), granted(shipped_roles())
    found = differences(asked, shipped)
    print(f"{len(calls)} calls of the operator at {len(logs)} API servers, {len(shipped)} permissions granted")
    print("\n".join(found or ["the roles are exactly what was asked for"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
