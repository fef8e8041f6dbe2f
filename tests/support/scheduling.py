"""Which worker of pytest-xdist runs which tests: those of one `xdist_group` share a worker, in the order of collection.

xdist's own `--dist loadgroup` does the same by a suffix of the test's ID, which pytest 9.2 no longer lets it set: without
an error, every test is then a group of its own. Here the first worker hands the groups over in a file.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_FOLDER = pytest.StashKey[Path]()


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
    """Sends whole groups to workers; a test without a group is one of its own."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # the largest group is not the longest
        self._folder = config.stash[_FOLDER]
        self._groups: dict[str, str] | None = None

    def _split_scope(self, nodeid: str) -> str:
        if self._groups is None:  # by now all workers have collected
            self._groups = json.loads(_groups_file(self._folder).read_text())
        return self._groups.get(nodeid, nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the main process, before a worker starts."""
    stash = node.config.stash
    if _FOLDER not in stash:
        stash[_FOLDER] = Path(tempfile.mkdtemp(prefix="groups-of-tests-"))
    node.workerinput["groups_folder"] = str(stash[_FOLDER])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    return GroupScheduling(config, log)


@pytest.hookimpl(tryfirst=True)  # before the main process learns what was collected
def pytest_collection_finish(session: pytest.Session) -> None:
    worker = getattr(session.config, "workerinput", None)
    if worker and worker["workerid"] == "gw0":
        marks = {item.nodeid: item.get_closest_marker("xdist_group") for item in session.items}
        groups = {nodeid: mark.args[0] for nodeid, mark in marks.items() if mark}
        _groups_file(Path(worker["groups_folder"])).write_text(json.dumps(groups))


def pytest_unconfigure(config: pytest.Config) -> None:
    if folder := config.stash.get(_FOLDER, None):
        shutil.rmtree(folder, ignore_errors=True)


def _groups_file(folder: Path) -> Path:
    return folder / "groups.json"
