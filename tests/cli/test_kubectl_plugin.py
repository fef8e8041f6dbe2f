"""``kubectl coroner``: the executables, the krew manifest, and completion."""

from __future__ import annotations

import io
import tarfile
import tomllib
from hashlib import sha256

import pytest
import yaml
from click.testing import CliRunner

from coroner_operator.__main__ import main
from coroner_operator.cli.completion import NO_FILES, kubectl_completions
from tests.repo_checks.tracked import ROOT
from tools.krew import archive, manifest


def test_the_package_installs_the_plugin_and_its_completion() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["kubectl-coroner"] == "coroner_operator.__main__:kubectl_plugin"
    assert scripts["kubectl_complete-coroner"] == "coroner_operator.__main__:kubectl_complete"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["wh"], ["why"]),
        (["top", "n"], ["namespace", "node"]),
        (["why", "-o", "j"], ["json"]),
        (["why", "--hist"], ["--history"]),
    ],
)
def test_kubectl_completes_commands_and_options(arguments: list[str], expected: list[str]) -> None:
    *found, directive = kubectl_completions(main, arguments)
    assert [line.partition("\t")[0] for line in found] == expected
    assert directive == NO_FILES


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script_that_asks_coroner(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell], prog_name="coroner")
    assert done.exit_code == 0
    assert f"_CORONER_COMPLETE={shell}_complete" in done.stdout


def test_the_manifest_names_the_archive_that_it_is_for() -> None:
    packed = archive()
    spec = yaml.safe_load(manifest("1.2.3", "https://example.com/a.tar.gz", packed))["spec"]
    (platform,) = spec["platforms"]
    assert (spec["version"], platform["uri"]) == ("v1.2.3", "https://example.com/a.tar.gz")
    assert platform["sha256"] == sha256(packed).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        modes = {member.name: member.mode for member in tar.getmembers()}
    assert modes == {"kubectl-coroner": 0o755, "LICENSE": 0o644}
    assert [entry["from"] for entry in platform["files"]] == list(modes)
    assert platform["bin"] in modes
    assert len(spec["shortDescription"]) <= 50  # krew-index: naming guide
