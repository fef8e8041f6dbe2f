"""What a release does with versions, notes and the chart."""

import subprocess
import sys

import pytest
import yaml

from tests.repo_checks.tracked import ROOT
from tools.release_chart import with_image, with_runbooks, with_source
from tools.release_notes import problems, section

CHANGELOG = "# Changelog\n\n## 0.2.0 (2026-12-01)\n\n- New.\n\n## 0.1.0 (unreleased)\n\nThe first.\n"
IMAGE = "ghcr.io/example/coroner@sha256:" + "0" * 64
CHART = ROOT / "deploy" / "helm" / "coroner"


def test_the_notes_are_the_section_of_the_version() -> None:
    assert section(CHANGELOG, "0.2.0") == ("2026-12-01", "- New.")
    assert section(CHANGELOG, "0.1.0") == ("unreleased", "The first.")
    assert section(CHANGELOG, "0.3.0") is None


@pytest.mark.parametrize(
    ("tag", "package", "app", "found"),
    [
        ("v0.2.0", "0.2.0", "0.2.0", []),
        ("v0.2.0", "0.1.0", "0.2.0", ["pyproject.toml has version 0.1.0, the tag is v0.2.0"]),
        ("v0.2.0", "0.2.0", "0.1.0", ["appVersion has version 0.1.0, the tag is v0.2.0"]),
        ("v0.1.0", "0.1.0", "0.1.0", ["Chart.yaml has version 0.2.0, the tag is v0.1.0", "CHANGELOG.md has no dated"]),
    ],
)
def test_what_does_not_fit_together_is_not_released(tag: str, package: str, app: str, found: list[str]) -> None:
    lines = list(problems(tag, package, {"version": "0.2.0", "appVersion": app}, CHANGELOG))
    assert len(lines) == len(found)
    assert all(line.startswith(start) for line, start in zip(lines, found, strict=True))


def test_package_and_chart_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert f'\nversion = "{chart["version"]}"\n' in (ROOT / "pyproject.toml").read_text()
    assert chart["appVersion"] == chart["version"]


def test_the_released_chart_says_where_it_is_from() -> None:
    before = yaml.safe_load((CHART / "Chart.yaml").read_text())
    chart = yaml.safe_load(with_source((CHART / "Chart.yaml").read_text(), "https://forge.example/coroner", IMAGE))
    assert (chart["home"], chart["sources"]) == ("https://forge.example/coroner", ["https://forge.example/coroner"])
    images = yaml.safe_load(chart["annotations"]["artifacthub.io/images"])
    assert images == [{"name": "coroner", "image": IMAGE}]
    links = yaml.safe_load(chart["annotations"]["artifacthub.io/links"])
    assert [(ROOT / "docs" / link["url"].rpartition("/")[2]).exists() for link in links] == [True, True]
    [example] = yaml.safe_load(chart["annotations"]["artifacthub.io/crdsExamples"])
    assert example["kind"] in before["annotations"]["artifacthub.io/crds"]
    assert "ledger" not in example["status"]
    assert example["status"]["message"]
    assert chart["kubeVersion"] == before["kubeVersion"]
    assert before["annotations"].items() <= chart["annotations"].items()


def test_the_released_chart_runs_the_released_image() -> None:
    before = (CHART / "values.yaml").read_text()
    after = with_image(before, IMAGE)
    expected = {"registry": "ghcr.io", "repository": "example/coroner", "digest": "sha256:" + "0" * 64}
    old, new = yaml.safe_load(before), yaml.safe_load(after)
    assert new["image"] == old["image"] | expected
    assert {**new, "image": None} == {**old, "image": None}
    assert len(after.splitlines()) == len(before.splitlines())


def test_alerts_of_the_released_chart_link_to_the_runbooks_of_its_version() -> None:
    before = (CHART / "values.yaml").read_text()
    old, new = yaml.safe_load(before), yaml.safe_load(with_runbooks(before, "https://forge.example/coroner/docs"))
    assert old["prometheusRule"].pop("runbookUrl") == ""
    assert new["prometheusRule"].pop("runbookUrl") == "https://forge.example/coroner/docs/runbooks"
    assert new == old


@pytest.mark.parametrize("tool", ["krew", "release_chart", "release_notes"])
def test_a_tool_without_its_arguments_says_how_it_is_used(tool: str) -> None:
    command = [sys.executable, f"tools/{tool}.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"usage: tools/{tool}.py ")


@pytest.mark.parametrize(
    "image", ["coroner:0.1.0", "ghcr.io/example/coroner:0.1.0", "ghcr.io/example/coroner@sha256:0"]
)
def test_an_image_without_a_digest_is_not_released(image: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        with_image((CHART / "values.yaml").read_text(), image)
