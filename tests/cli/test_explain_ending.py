"""How ``coroner explain`` ends when its reader or its user has had enough."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.builders import list_of, pod

COMMAND = [sys.executable, "-c", "from coroner_operator.cli.explain import explain; explain(prog_name='coroner')"]


def test_a_reader_that_goes_away_is_no_reason_for_words(tmp_path: Path) -> None:
    (tmp_path / "pods.json").write_text(json.dumps(list_of(*[pod("fine")] * 20_000)))
    for output in ("text", "json"):
        command = [*COMMAND, "-o", output, str(tmp_path / "pods.json")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(10)
            process.stdout.close()
            assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("output", ["text", "json"])
def test_a_full_disk_is_one_line(tmp_path: Path, output: str) -> None:
    (tmp_path / "pod.json").write_text(json.dumps(pod("fine")))
    with Path("/dev/full").open("wb") as full:
        command = [*COMMAND, "-o", output, str(tmp_path / "pod.json")]
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (ran.returncode, ran.stderr) == (2, b"coroner: cannot write: No space left on device\n")


def _heed_ctrl_c() -> None:
    """What a shell starts in the background ignores SIGINT, and hands that on: a person's terminal does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_it_without_a_word(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pods.json")  # opening it for reading waits for a writer, which comes only here
    command = [*COMMAND, str(tmp_path / "pods.json")]
    heeding: dict[str, Any] = {"preexec_fn": _heed_ctrl_c}  # only asks for one signal: safe beside threads
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **heeding) as process:
        with (tmp_path / "pods.json").open("wb"):  # returns when the command has opened its end
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
        assert (process.returncode, out, err) == (130, b"", b"")
