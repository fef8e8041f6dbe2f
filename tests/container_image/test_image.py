"""The image built by the tests corresponds to the Dockerfile, and its wheel contains the whole operator."""

import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.container_image.dockerfile import DOCKERFILE, ROOT, image_config
from tests.container_image.image import ImageError, build_wheel, make_image, make_venv


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_has_rules_and_definitions_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        crd = archive.read("coroner_operator/crds/failurereports.coroner.dev.yaml")
    assert crd == (ROOT / "crds" / "failurereports.coroner.dev.yaml").read_bytes()
    assert "coroner_categorizer/rules/default.yaml" in names
    assert "coroner_operator/__main__.py" in names
    folders = {name.partition("/")[0] for name in names}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {
        "coroner_categorizer",
        "coroner_operator",
    }


def test_the_wheel_is_reproducible(wheel: Path, tmp_path: Path) -> None:
    assert build_wheel(tmp_path).read_bytes() == wheel.read_bytes()


def test_the_virtual_environment_uses_the_interpreter_of_the_base_image(tmp_path: Path) -> None:
    make_venv(tmp_path)
    assert "home = /usr/bin" in (tmp_path / "pyvenv.cfg").read_text()
    assert (tmp_path / "bin" / "python").readlink() == Path("/usr/bin/python3.11")


def test_the_archive_has_the_configuration_of_the_dockerfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a base of one empty file, because building the real one takes minutes."""
    from tests.cluster.archive import write_archive
    from tests.container_image import image

    empty = tmp_path / "empty"
    (empty / "etc").mkdir(parents=True)
    base = tmp_path / "base.tar"
    write_archive(base, ["base:1"], empty, {"Env": ["LANG=C.UTF-8"], "Cmd": ["python3"]}, None)
    monkeypatch.setattr(image, "with_requirements", lambda: base)
    with tarfile.open(make_image(tmp_path / "coroner.tar")) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json") or pytest.fail("no manifest"))
        document = json.load(archive.extractfile(manifest["Config"]) or pytest.fail("no configuration"))
        layer = archive.extractfile(manifest["Layers"][-1]) or pytest.fail("no layer")
        with tarfile.open(fileobj=layer) as files:
            names = set(files.getnames())
            command = files.extractfile("opt/coroner/bin/coroner") or pytest.fail("no command")
            assert command.read().startswith(b"#!/opt/coroner/bin/python\n")
    expected = image_config(DOCKERFILE.read_text())
    assert document["config"].items() >= expected.items()
    assert manifest["RepoTags"] == [image.TAG]
    assert "opt/coroner/lib/python3.11/site-packages/coroner_operator/runtime/kopf_app.py" in names
    assert not [name for name in names if name.endswith(".pyc")]


def test_a_failed_command_is_reported_in_one_line() -> None:
    from tests.container_image.image import run

    with pytest.raises(ImageError, match=r"^python3 -c .* …: SystemExit|oh dear"):
        run("python3", "-c", "import sys; sys.exit('oh dear')")
