"""Where the names of the objects are found in a text, in which forms, and at what cost."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from coroner_operator.anonymize.known_names import KnownNames
from coroner_operator.anonymize.pseudonyms import Pseudonyms
from coroner_operator.anonymize.texts import TextAnonymizer


def replaced(text: str, *names: str) -> str:
    return KnownNames({name: f"<{name}>" for name in names}).replace(text, lambda replacement: replacement)


@pytest.mark.parametrize(
    "text",
    [
        "acmepay-train",
        "ACMEPAY-TRAIN",
        "acmepay_train",
        "ACMEPAY_TRAIN",
        "acmepay.train",
        "AcmepayTrain",
        "acmepay-tra\u0131n",  # Turkish dotless i
    ],
)
def test_a_name_is_found_in_each_form(text: str) -> None:
    assert replaced(f"x {text}: y", "acmepay-train") == "x <acmepay-train>: y"


@pytest.mark.parametrize("text", ["pacmepay-train", "acmepay-trainer", "acmepay train", "acmepay/train", "train"])
def test_what_only_contains_a_name_or_half_of_it_stays(text: str) -> None:
    assert replaced(f"x {text}: y", "acmepay-train") == f"x {text}: y"


@pytest.mark.parametrize("letter", ["\u017f", "S"])
def test_a_letter_that_equals_an_ascii_letter_without_case_is_that_letter(letter: str) -> None:
    assert replaced(f"acme{letter}-1 and acmes-1", "acmes-1") == "<acmes-1> and <acmes-1>"


def test_a_variable_with_a_name_in_front_loses_the_name() -> None:
    assert (
        replaced("ACMEPAY_TRAIN_SERVICE_HOST is not set", "acmepay-train") == "<acmepay-train>_SERVICE_HOST is not set"
    )


def test_a_name_of_known_words_changes_no_constant() -> None:
    """A pod called ``cuda-error``: the constant in the message decides."""
    assert replaced("CUDA_ERROR_OUT_OF_MEMORY: cuda-error", "cuda-error") == "CUDA_ERROR_OUT_OF_MEMORY: <cuda-error>"


def test_the_longer_of_two_names_wins() -> None:
    assert replaced("acme-1-x acme-1", "acme-1", "acme-1-x") == "<acme-1-x> <acme-1>"


def test_a_name_between_letters_of_another_script_is_found() -> None:
    assert replaced("\u8282\u70b9acmenode1\u5931\u8d25", "acmenode1") == "\u8282\u70b9<acmenode1>\u5931\u8d25"


def instructions(count: int) -> int:
    """Bytecode instructions for ``count`` names and as many texts, each about another name."""
    names = Pseudonyms()
    for number in range(count):
        names.name("pod", f"acmetrain-{number:04d}")
    executed = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal executed
        frame.f_trace_opcodes = True
        executed += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        text = TextAnonymizer(names)
        for number in range(count):
            text(f"acmetrain-{number:04d} failed")
    finally:
        sys.settrace(before)
    return executed


def test_the_cost_grows_with_the_number_of_objects_and_not_faster() -> None:
    instructions(1)  # what is read once
    few, many = instructions(40), instructions(160)
    assert few > 0
    assert many < 4.2 * few
