"""A case of a real controller, as cases/NAME.yaml describes it: what happens, and what is right to report of it.

Every container of a case waits for a file /tmp/do and then runs it. A step writes that file, so that nothing depends on
how long a busy machine takes to start pods.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

FOLDER = Path(__file__).parent / "cases"

Object = dict[str, Any]


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something is done to a pod that runs and to which nothing was done before."""

    pod: str
    """Pattern of its name."""
    do: str
    """Shell script that the pod runs."""
    running: int = 1
    """So many pods of the case must run first."""


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one report of the case."""

    workload: str
    """The user's own object: Kind/name."""
    state: Literal["Failing", "Recovered"]
    """In the end."""
    verdict: str
    """category/subcategory while the workload fails: no other is ever shown."""
    pod: str
    """Pattern of the name of the pod that fails: no other is ever shown."""
    shown: Literal["condition", "event"]
    """Where `kubectl describe` of the user's object shows it."""
    counted: int
    """How often the verdict is counted."""
    retry: str = "Unknown"
    exitCode: int | None = None


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    """Of the user's object; names of its pods begin with it."""
    about: str
    objects: tuple[Object, ...]
    steps: tuple[Step, ...] = ()
    ends: str = ""
    """Type of the condition of the user's object that is true in the end; "": the expected report is the end."""
    expected: Expected | None = None
    """None: there is no report."""

    @property
    def workload(self) -> str:
        """Kind/name of the user's object."""
        return f"{self.objects[-1]['kind']}/{self.name}"

    def is_pod(self, name: str) -> bool:
        return name.startswith(f"{self.name}-")


class CaseFile(msgspec.Struct, frozen=True):
    """Other keys hold parts that cases share (YAML anchors)."""

    controller: str
    cases: tuple[Case, ...]


def cases_of(controller: str) -> tuple[Case, ...]:
    """Raises msgspec.ValidationError."""
    file = msgspec.convert(yaml.safe_load((FOLDER / f"{controller}.yaml").read_text()), CaseFile)
    return file.cases


def matches(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern)
