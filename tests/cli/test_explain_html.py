"""The page of ``explain -o html``: complete, inert whatever tenants write, and without any secret."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

import coroner_categorizer as cc
from coroner_categorizer.redaction.sanitize import one_line, safe_text
from coroner_operator.cli.explanations import explain_objects
from coroner_operator.cli.inputs.input_bytes import InputBytes
from coroner_operator.cli.inputs.input_objects import InputObjects
from coroner_operator.cli.render import as_html
from tests.cli.builders import list_of, pod
from tests.cli.conftest import RULES, Coroner
from tests.redaction.corpus import HARMLESS, SAMPLES
from tests.support.live_objects import failed_pod, live_pod, waiting
from tests.support.pods import Json

SHORTEST = 6  # characters of a secret; shorter ones are parts of the harmless words of other samples
AT = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><script src=https://evil.example/x.js></script>",
    "javascript:alert(document.cookie)",
    "' onmouseover='alert(1)",
    "<a href='javascript:alert(1)'>the log</a>",
    "<!-- --!> <![CDATA[ ]]> &lt;b&gt; &#x3c;script&#x3e;",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "</title></head><body onload=alert(1)>",
    "url(https://evil.example/x) @import 'https://evil.example/y'",
)
REORDERED = "exe.\u202etxt\u2066\u200f\x1b[31mred\x1b[0m\x00\x07\u0085end"
TAGS = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "footer",
        "section",
        "h1",
        "h2",
        "h3",
        "h4",
        "p",
        "ul",
        "ol",
        "li",
        "dl",
        "div",
        "dt",
        "dd",
        "span",
        "bdi",
        "b",
        "strong",
        "time",
        "details",
        "summary",
        "code",
        "pre",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    ]
)
ATTRIBUTES = frozenset(("class", "charset", "http-equiv", "content", "name", "lang", "datetime", "open", "scope"))


class Page(HTMLParser):
    """What a browser would make of it, as far as it matters here."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.style = ""
        self.metas: list[dict[str, str]] = []
        self._open: list[str] = []
        self.feed(html.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = {name: value or "" for name, value in attrs}
        self.attributes += named.items()
        if tag == "meta":
            self.metas.append(named)
        else:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def page_of(*items: Json, rules: cc.Categorizer | None = None) -> Page:
    objects = InputObjects()
    objects.add_input(InputBytes("test", json.dumps(list_of(*items)).encode()))
    return Page(as_html(explain_objects(objects, rules or cc.default()), AT))


def hostile_pods() -> Iterable[Json]:
    for number, text in enumerate((*HOSTILE, REORDERED)):
        yield failed_pod(f"said-{number}", message=f"ValueError: {text}\n{text}")
        yield pod(text, f"named-{number}", exit_code=1)
        yield failed_pod(f"reason-{number}", reason=text)
        yield live_pod(f"waits-{number}", phase="Pending", state=waiting("ImagePullBackOff", f"image {text} not found"))
        named = failed_pod(f"container-{number}")
        named["status"]["containerStatuses"][0]["name"] = text
        named["spec"] |= {"nodeName": text}
        yield named


def test_the_workload_comes_first_and_then_its_pods_in_the_order_of_time(recorded: Callable[[str], Path]) -> None:
    file = recorded("x").parents[1] / "workloads" / "gang-pytorchjob-oom.json"
    page = page_of(*json.loads(file.read_text())["items"])
    text = page.text
    assert "Why pods of PyTorchJob ml/llm failed" in text
    said = 'pod llm-worker-0 failed first (container "pytorch" used more than its memory limit of 64Gi'
    order = [
        said,
        "What to do",
        "Timeline",
        "3 pods created",
        "+30m",
        "Counts",
        "3 of 3 pods with a failure",
        "Evidence",
    ]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    below = text[text.index("3 of 3 pods") :]
    pods = ["llm-worker-0", "llm-master-0", "llm-worker-1"]
    assert [below.index(name) for name in pods] == sorted(below.index(name) for name in pods)
    assert page.attributes.count(("open", "")) == 1  # those that only followed are closed


def test_a_pod_by_itself_counts_restarts_that_nobody_saw(recorded: Callable[[str], Path]) -> None:
    page = page_of(*json.loads(recorded("b8-oom-restart-always").read_text())["items"])
    assert "Why Pod proof/b8-oom-restart-always failed" in page.text
    assert "5 of them are known by the restart count only." in page.text
    assert "Written by coroner explain at \n2026-11-21 22:00:00 UTC" in page.text


def test_what_does_not_fail_is_said_to_be_well() -> None:
    page = page_of(pod("done"), live_pod("runs"))
    assert "0 of 2 failing" in page.text
    assert page.text.count("nothing is failing") == 2
    assert "Nothing to explain" in page_of().text


def test_the_command_writes_the_page(coroner: Coroner) -> None:
    ran = coroner("explain", "-o", "html", "-", stdin=json.dumps(failed_pod("p", message="ValueError: bad")))
    assert ran.exit_code == 1
    page = Page(ran.stdout.encode())
    assert "ValueError: bad" in page.text
    assert ran.stdout.startswith('<!DOCTYPE html>\n<html lang="en">')


@pytest.mark.parametrize("harmless", [False, True], ids=["hostile", "harmless"])
def test_nothing_in_the_page_makes_a_request_or_runs(harmless: bool) -> None:
    page = page_of(failed_pod("p", message="ValueError: bad input")) if harmless else page_of(*hostile_pods())
    assert set(page.tags) - TAGS == set()
    assert {name for name, _ in page.attributes} - ATTRIBUTES == set()
    policies = [meta["content"] for meta in page.metas if meta.get("http-equiv") == "Content-Security-Policy"]
    digest = b64encode(sha256(page.style.encode()).digest()).decode()
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]
    assert [meta["http-equiv"] for meta in page.metas if "http-equiv" in meta] == ["Content-Security-Policy"]
    assert [word for word in ("url(", "@import", "http", "//", "expression") if word in page.style.lower()] == []


def test_hostile_texts_are_shown_as_text() -> None:
    page = page_of(*hostile_pods())
    folded = " ".join(page.text.split())
    assert [text for text in HOSTILE if one_line(text, 300) not in folded] == []
    assert "exe.txtredend" in folded
    assert [character for character in REORDERED if not character.isprintable() and character in page.text] == []


def test_no_secret_in_the_name_of_anything_is_in_the_page() -> None:
    lines = {s.id: s for s in SAMPLES if "\n" not in s.text and not s.is_cut and min(map(len, s.secrets)) >= SHORTEST}
    items = []
    for id_, sample in lines.items():
        named = pod(sample.text, f"uid-{id_}", exit_code=1, namespace=sample.text)
        named["spec"]["nodeName"] = sample.text
        items.append(named)
    shown = page_of(*items, rules=cc.load(RULES)).text  # without hints, which are the categorizer's
    assert {id_: leaks for id_, sample in lines.items() if (leaks := sample.leaks(shown))} == {}
    assert len(lines) >= 100


def test_no_secret_that_a_program_printed_is_in_the_page() -> None:
    printed = {
        f"s{n}": sample
        for n, sample in enumerate(SAMPLES)
        if not sample.is_cut and min(map(len, sample.secrets)) >= SHORTEST
    }
    page = page_of(*(failed_pod(name, message=sample.text) for name, sample in printed.items()))
    assert page.text.count("[redacted:") >= len(printed)
    shown = f"{page.text}\n{' '.join(page.text.split())}"
    assert {name: leaks for name, sample in printed.items() if (leaks := sample.leaks(shown))} == {}


def test_harmless_messages_are_in_the_page_as_they_are() -> None:
    short = [text for text in HARMLESS if len(text) < 500]
    page = page_of(*(failed_pod(f"h{number}", message=text) for number, text in enumerate(short)))
    assert len(short) >= 300
    assert [text for text in short if safe_text(text, 500).strip() not in page.text] == []
    assert "[redacted:" not in page.text
