"""When files change: what is used, what is rejected, and what is reported."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from coroner_categorizer import Categorizer
from coroner_operator.config import rules_files
from coroner_operator.config.rules_files import SIZE_LIMIT, InvalidRules, RuleFiles
from coroner_operator.config.rules_reloader import REASON, Reloader
from tests.rules_reload.files import BROKEN, ConfigMapMount, rules

POD = {
    "metadata": {"name": "p", "uid": "u"},
    "spec": {"containers": [{"name": "main"}]},
    "status": {
        "phase": "Failed",
        "containerStatuses": [
            {
                "name": "main",
                "state": {"terminated": {"exitCode": 1, "reason": "Error", "message": "boom acme_1234 in step 3"}},
            }
        ],
    },
}


class Operator:
    """The callbacks of a reloader."""

    def __init__(self) -> None:
        self.categorizers: list[Categorizer] = []
        self.warnings: list[tuple[str, str]] = []
        self.counts: list[bool] = []

    def warn(self, reason: str, note: str) -> None:
        self.warnings.append((reason, note))

    def count_reload(self, succeeded: bool) -> None:
        self.counts.append(succeeded)

    @property
    def category(self) -> str:
        verdict = self.categorizers[-1].classify(POD)
        assert verdict is not None
        return verdict.category


@pytest.fixture
def operator() -> Operator:
    return Operator()


def reloader(operator: Operator, files: RuleFiles) -> Reloader:
    contents = files.read()
    operator.categorizers.append(contents.compile())
    return Reloader(files, contents, on_reload=operator.categorizers.append, warn=operator.warn, counts=operator)


async def poll_twice(reloader: Reloader) -> None:
    await reloader.poll()
    await reloader.poll()


@pytest.fixture
def mount(tmp_path: Path) -> ConfigMapMount:
    mount = ConfigMapMount(tmp_path)
    mount.hold(rules_yaml=rules("first"))
    return mount


async def test_a_config_map_that_changes_is_used(operator: Operator, mount: ConfigMapMount, tmp_path: Path) -> None:
    reloads = reloader(operator, RuleFiles(tmp_path / "rules.yaml"))
    assert operator.category == "first"
    mount.hold(rules_yaml=rules("second"))
    await poll_twice(reloads)
    assert operator.category == "second"
    assert (operator.counts, operator.warnings, reloads.errors) == ([True], [], ())


async def test_files_that_do_not_change_are_only_read(
    operator: Operator, mount: ConfigMapMount, tmp_path: Path
) -> None:
    reloads = reloader(operator, RuleFiles(tmp_path / "rules.yaml"))
    for _ in range(5):
        await reloads.poll()
    mount.hold(rules_yaml=rules("first"))  # the kubelet has swapped the link, the text is the same
    await poll_twice(reloads)
    assert (len(operator.categorizers), operator.counts) == (1, [])


async def test_a_broken_file_is_rejected_with_every_error_and_the_previous_stays(
    operator: Operator, mount: ConfigMapMount, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reloads = reloader(operator, RuleFiles(tmp_path / "rules.yaml"))
    mount.hold(rules_yaml=BROKEN)
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            await reloads.poll()
    assert operator.category == "first"
    assert len(operator.categorizers) == 1
    assert operator.counts == [False]
    assert [m for m in reloads.errors if "operator" in m]
    assert [m for m in reloads.errors if "pattern" in m]
    assert all(error in caplog.text for error in reloads.errors)
    ((reason, note),) = operator.warnings
    assert reason == REASON
    assert reloads.errors[0] in note
    assert f"and {len(reloads.errors) - 1} more" in note

    reloads.reannounce()
    assert operator.warnings == [(reason, note)] * 2
    mount.hold(rules_yaml=rules("fixed"))
    await poll_twice(reloads)
    assert (operator.category, operator.counts, reloads.errors) == ("fixed", [False, True], ())
    reloads.reannounce()
    assert len(operator.warnings) == 2


async def test_going_back_to_the_rules_in_use_clears_the_errors_and_reclassifies_nothing(
    operator: Operator, mount: ConfigMapMount, tmp_path: Path
) -> None:
    reloads = reloader(operator, RuleFiles(tmp_path / "rules.yaml"))
    mount.hold(rules_yaml=BROKEN)
    await poll_twice(reloads)
    mount.hold(rules_yaml=rules("first"))
    await poll_twice(reloads)
    assert (len(operator.categorizers), operator.counts, reloads.errors) == (1, [False, True], ())


async def test_a_file_that_is_half_written_is_not_used(operator: Operator, tmp_path: Path) -> None:
    """Half of these rules are valid rules."""
    file = tmp_path / "rules.yaml"
    file.write_text(rules("first"))
    reloads = reloader(operator, RuleFiles(file))
    whole = rules("second") + rules("third").partition("categories:\n")[2]
    file.write_text(rules("second"))
    await reloads.poll()
    file.write_text(whole)
    await reloads.poll()
    assert len(operator.categorizers) == 1
    await reloads.poll()
    assert len(operator.categorizers) == 2


async def test_a_file_that_is_deleted_is_rejected_until_it_is_back(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(rules("first"))
    reloads = reloader(operator, RuleFiles(file))
    file.unlink()
    await poll_twice(reloads)
    assert reloads.errors == (f"{file}: No such file or directory",)
    file.write_text(rules("second"))
    await poll_twice(reloads)
    assert operator.category == "second"


async def test_patterns_for_secrets_change_as_well(operator: Operator, mount: ConfigMapMount, tmp_path: Path) -> None:
    def message() -> str:
        verdict = operator.categorizers[-1].classify(POD)
        assert verdict is not None
        return verdict.termination_message or ""

    mount.hold(rules_yaml=rules("first"), redaction_yaml="")
    reloads = reloader(operator, RuleFiles(tmp_path / "rules.yaml", tmp_path / "redaction.yaml"))
    assert "acme_1234" in message()
    mount.hold(rules_yaml=rules("first"), redaction_yaml="- {name: acme, pattern: 'acme_[0-9]{4}'}\n")
    await poll_twice(reloads)
    assert "acme_1234" not in message()
    assert "[redacted:acme]" in message()
    mount.hold(rules_yaml=rules("first"), redaction_yaml="- {name: acme, pattern: '('}\n")
    await poll_twice(reloads)
    assert "[redacted:acme]" in message()
    assert len(reloads.errors) == 1


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("- {name: A b, pattern: x}\n- {name: b}\n- {name: c, pattern: '['}\n", ["[0]", "[1]", "[2]"]),
        ("a: b\n", ["expected a list"]),
        ("[", ["not YAML"]),
        ("- 1\n- {name: 1, pattern: x}\n", ["[0]", "[1]"]),
    ],
)
def test_every_error_of_both_files_is_reported_at_once(tmp_path: Path, text: str, faults: list[str]) -> None:
    rules_file, redaction = tmp_path / "rules.yaml", tmp_path / "redaction.yaml"
    rules_file.write_text(BROKEN)
    redaction.write_text(text)
    with pytest.raises(InvalidRules) as caught:
        RuleFiles(rules_file, redaction).read().compile()
    found = [m for m in caught.value.errors if str(redaction) in m]
    assert len(found) == len(faults)
    for error, fault in zip(found, faults, strict=True):
        assert fault in error
    assert [m for m in caught.value.errors if str(rules_file) in m]
    assert all("\n" not in error for error in caught.value.errors)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: " + b"[" * 20_000, b"x" * (SIZE_LIMIT + 1), b"", b"- a"])
def test_what_is_no_rules_file_is_rejected(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "rules.yaml"
    file.write_bytes(content)
    with pytest.raises(InvalidRules) as caught:
        RuleFiles(file).read().compile()
    assert all(error.startswith(str(file)) for error in caught.value.errors)


async def test_an_exception_that_is_no_fault_of_the_file_keeps_the_rules_in_use(
    mount: ConfigMapMount, tmp_path: Path, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(content: object, redactor: object) -> Categorizer:
        raise KeyError("x")

    reloads = reloader(operator, RuleFiles(tmp_path / "rules.yaml"))
    with monkeypatch.context() as patched:
        patched.setattr(rules_files, "parse_rules", fails)
        mount.hold(rules_yaml=rules("second"))
        await poll_twice(reloads)
    assert operator.category == "first"
    (error,) = reloads.errors
    assert error == f"{tmp_path / 'rules.yaml'}: cannot be used: KeyError: 'x'; see the operator's log"
    assert operator.counts == [False]
    mount.hold(rules_yaml=rules("third"))
    await poll_twice(reloads)
    assert operator.category == "third"
    assert not reloads.errors


async def test_a_tag_that_cannot_be_read_is_an_error_of_the_file(
    mount: ConfigMapMount, tmp_path: Path, operator: Operator
) -> None:
    reloads = reloader(operator, RuleFiles(tmp_path / "rules.yaml"))
    mount.hold(rules_yaml=rules("second") + 'enabled: !!bool "x"\n')
    await poll_twice(reloads)
    assert operator.category == "first"
    (error,) = reloads.errors
    assert error.startswith(f"{tmp_path / 'rules.yaml'}: line 9, column 10: not YAML: ")


def test_without_files_it_is_the_shipped_pack() -> None:
    assert not RuleFiles()
    assert RuleFiles().read().compile().classify(POD) is not None


async def test_rules_that_are_too_large_when_compiled_leave_the_previous_ones_in_use(
    operator: Operator, mount: ConfigMapMount, tmp_path: Path
) -> None:
    reloads = reloader(operator, RuleFiles(tmp_path / "rules.yaml"))
    mount.hold(rules_yaml=rules("second", "[^x]{1000}" * 12))
    await poll_twice(reloads)
    assert operator.category == "first"
    assert operator.counts == [False]
    assert reloads.errors == (
        f"{tmp_path}/rules.yaml:7: categories[0].rules[0].onTerminationMessage.pattern: too large when compiled; "
        r"use smaller repetition counts, and [A-Za-z] instead of \pL",
    )
