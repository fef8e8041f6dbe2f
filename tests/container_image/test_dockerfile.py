"""The Dockerfile, checked without docker: copied files exist, requirements are pinned, the user is not root."""

import re

import pytest

from tests.container_image.dockerfile import (
    DOCKERFILE,
    EXEC_FORM,
    ROOT,
    Instruction,
    image_config,
    instructions,
    stages,
)
from tests.container_image.image import BUILD_TOOLS, VENV

TEXT = DOCKERFILE.read_text()
ALL = instructions(TEXT)
STAGES = stages(TEXT)
KNOWN = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "LABEL", "RUN", "USER", "WORKDIR"}
IGNORE = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()


def test_continued_lines_are_one_instruction() -> None:
    """The tests below depend on it."""
    assert instructions("FROM a AS b\n# no\nENV A=1 \\\n    B=2\nRUN [\"x\", \"y z\"]") == [
        Instruction("FROM", "a AS b"), Instruction("ENV", "A=1 B=2"), Instruction("RUN", '["x", "y z"]'),
    ]  # fmt: skip
    assert Instruction("COPY", "--from=build /a /b").arguments == ["/a", "/b"]


def test_every_instruction_is_known_and_uses_no_shell() -> None:
    assert {each.keyword for each in ALL} <= KNOWN
    for each in ALL:
        if each.keyword in EXEC_FORM:
            assert each.arguments, each
            assert each.text.startswith("["), f"shell form: {each.text}"


def test_all_stages_use_the_same_base_image() -> None:
    (argument,) = (each.text for each in ALL if each.keyword == "ARG" and each.text.startswith("PYTHON_IMAGE="))
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.11-slim", argument), (
        "the base image must come from the default registry"
    )
    assert [stage[0].arguments[0] for stage in STAGES] == ["${PYTHON_IMAGE}", "${PYTHON_IMAGE}"]


def test_copied_files_exist() -> None:
    for each in STAGES[0]:
        if each.keyword == "COPY":
            for source in each.arguments[:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in IGNORE, f"{source} is kept out by Dockerfile.dockerignore"
    allowed = {line[1:] for line in IGNORE if line.startswith("!")}
    assert IGNORE[1] == "*"
    copied = {source for each in STAGES[0] if each.keyword == "COPY" for source in each.arguments[:-1]}
    assert allowed == copied


def test_everything_that_the_wheel_needs_is_copied() -> None:
    """The folders of the wheel in pyproject.toml, its readme and licence."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {package.partition("/")[0] for package in wheel["packages"]} | set(wheel["force-include"])
    needed |= {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml"}
    copied = {source for each in STAGES[0] if each.keyword == "COPY" for source in each.arguments[:-1]}
    assert needed <= copied


def test_only_locked_requirements_are_installed() -> None:
    installs = [each.arguments for each in STAGES[0] if each.keyword == "RUN" and "install" in each.arguments]
    for arguments in installs:
        locked = {"--require-hashes", "--only-binary=:all:"} <= set(arguments) and "requirements/run.txt" in arguments
        ours = {"--no-deps", "--no-build-isolation"} <= set(arguments) and arguments[-1] == "."
        assert locked or ours, arguments
        assert "--no-compile" in arguments, "bytecode contains timestamps, and is not needed on a read-only root"
    assert len(installs) == 2


def test_the_last_stage_runs_nothing_and_is_not_root() -> None:
    last = STAGES[-1]
    assert not [each for each in last if each.keyword == "RUN"], (
        "RUN would have to be emulated for every other platform"
    )
    (copy,) = (each for each in last if each.keyword == "COPY")
    assert (copy.flags, copy.arguments) == (["--from=build"], [f"/{VENV}", f"/{VENV}"])
    config = image_config(TEXT)
    assert config["User"] == "65532:65532"
    assert (config["Entrypoint"], config["Cmd"]) == (["coroner"], ["run"])
    assert config["Env"][0].startswith(f"PATH=/{VENV}/bin:")
    # without a name in the environment, getpass.getuser() fails for a user that /etc/passwd does not have
    assert {"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "LOGNAME=coroner"} <= set(config["Env"])


def test_the_build_does_not_depend_on_the_current_time() -> None:
    text = " ".join(each.text for each in STAGES[0] if each.keyword in ("ARG", "ENV"))
    assert "SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}" in text
    assert "PYTHONDONTWRITEBYTECODE=1" in text


def test_the_image_of_the_tests_uninstalls_the_same_tools() -> None:
    (arguments,) = (each.arguments for each in STAGES[0] if each.keyword == "RUN" and "uninstall" in each.arguments)
    assert tuple(arguments[-2:]) == BUILD_TOOLS


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_locked_requirement_is_available_for_both_platforms(machine: str) -> None:
    """google-re2, msgspec and others are compiled: the lock file has a hash for each platform."""
    lock = (ROOT / "requirements" / "run.txt").read_text()
    for name in ("google-re2", "msgspec", "aiohttp", "pyyaml", "pydantic-core"):
        entry = re.search(rf"^{name}==.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
        assert entry, name
        assert entry[0].count("--hash=") > 4, f"{name}: hashes of one platform only ({machine})"
