"""What a person reads."""

import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from coroner_categorizer.verdict import Evidence, Verdict
from coroner_operator.cli.explanations import Explanation
from coroner_operator.cli.render import as_json, print_text
from tests.cli.builders import pod
from tests.cli.conftest import Coroner

OUT_OF_MEMORY = Verdict(
    category="resources",
    subcategory="oom-killed",
    categories=("resources",),
    reason="OOMKilled",
    message='container "main" used more than its memory limit of 4Gi and was killed (exit code 137)',
    hint="Raise resources.limits.memory above 4Gi or lower the batch size; the limit also counts what the program "
    "writes to emptyDir volumes in memory.",
    retry="NeedsChange",
    confidence="Confirmed",
    container="main",
    exit_code=137,
    evidence=(
        Evidence("status.containerStatuses[main].state.terminated", "OOMKilled, exit code 137"),
        Evidence("status.phase", ""),
    ),
    rule="default/resources/oom-killed",
)
NO_ROOM = msgspec.structs.replace(
    OUT_OF_MEMORY,
    category="",
    subcategory="",
    categories=("capacity", "user-config"),
    message="no node has the requested 8 cpu: 3 of 3 nodes have too little",
    hint="",
    retry="MayRecover",
    confidence="Likely",
    evidence=(Evidence("events[FailedScheduling]", "0/3 nodes are available:\n3 Insufficient cpu"),),
    rule=None,
)


def printed(*explanations: Explanation, width: int = 80, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, **options)
    print_text(explanations, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_page_for_a_person() -> None:
    page = printed(
        Explanation("Pod", "ml", "fine", None),
        Explanation("Pod", "ml", "done", None),
        Explanation("Pod", "ml", "train-x7k2p", OUT_OF_MEMORY),
        Explanation("Job", "ml", "waiting", NO_ROOM),
        Explanation("Pod", "", "", None),
    )
    assert page == (
        """\
Pod ml/fine  nothing is failing
Pod ml/done  nothing is failing

Pod ml/train-x7k2p  resources/oom-killed
  container "main" used more than its memory limit of 4Gi and was killed (exit
  code 137)
  What to do    Raise resources.limits.memory above 4Gi or lower the batch size;
                the limit also counts what the program writes to emptyDir
                volumes in memory.
  Retry         NeedsChange: a retry fails again until something changes
  Confidence    Confirmed: the cluster recorded this cause
  Evidence      status.containerStatuses[main].state.terminated
                  OOMKilled, exit code 137
                status.phase
  Rule          default/resources/oom-killed

Job ml/waiting  no category
  no node has the requested 8 cpu: 3 of 3 nodes have too little
  Retry         MayRecover: a retry may succeed without changes
  Confidence    Likely: inferred from what the cluster recorded
  Evidence      events[FailedScheduling]
                  0/3 nodes are available:
                  3 Insufficient cpu
  Also matched  capacity, user-config
  Rule          none: the default category

Pod (no name)  nothing is failing

2 of 5 failing
"""
    )


@pytest.mark.parametrize("width", [1, 10, 24, 40, 77, 100])
def test_no_line_is_longer_than_the_page_or_ends_in_spaces(width: int) -> None:
    for line in printed(Explanation("Pod", "ml", "train-x7k2p", OUT_OF_MEMORY), width=width).splitlines():
        assert len(line) <= max(width, 40)
        assert line == line.rstrip()


def test_words_of_the_cluster_are_never_markup() -> None:
    hostile = msgspec.structs.replace(OUT_OF_MEMORY, message="[bold]x[/bold] [/red] :boom: [link=http://x]y[/link]")
    page = printed(Explanation("Pod", "[red]", "[/]", hostile), width=100)
    assert page.startswith(
        "Pod [red]/[/]  resources/oom-killed\n  [bold]x[/bold] [/red] :boom: [link=http://x]y[/link]\n"
    )


def test_names_cannot_write_to_the_terminal() -> None:
    explanation = Explanation("Pod\n", "\x1b[2J", "a\rb\x07\u202e", None)
    assert printed(explanation) == "Pod ab  nothing is failing\n"
    [answer] = json.loads(as_json([explanation]))
    assert answer["object"] == {"kind": "Pod", "namespace": "", "name": "ab"}


def test_nothing_to_explain_is_reported() -> None:
    line = "Nothing to explain: no pods, and no workload whose pods could not be created.\n"
    assert printed(width=100) == line


def test_colour_is_for_terminals() -> None:
    explanation = Explanation("Pod", "ml", "train-x7k2p", OUT_OF_MEMORY)
    assert "\x1b" not in printed(explanation)
    coloured = printed(explanation, force_terminal=True, color_system="standard")
    assert "\x1b[1;31mresources/oom-killed\x1b[0m" in coloured
    assert "\x1b[1;31m" not in printed(explanation, force_terminal=True, color_system="standard", no_color=True)


def test_text_is_the_default_and_100_columns_wide_where_there_is_no_terminal(coroner: Coroner, tmp_path: Path) -> None:
    (tmp_path / "pod.json").write_text(json.dumps(pod("train", exit_code=3)))
    ran = coroner("explain", tmp_path / "pod.json", env={"COLUMNS": "30"})
    assert ran.stdout.startswith("Pod ml/train  user-code/error-exit\n")
    assert max(len(line) for line in ran.stdout.splitlines()) <= 100
    assert (ran.exit_code, ran.stderr) == (1, "")
