"""Messages without the names of the objects, and without whatever else looks like a name, a host or an account.

What is found is replaced by a mark of private-use characters first, so that no later step takes a pseudonym for a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from coroner_categorizer.redaction.redactor import DEFAULT_REDACTOR, TextRedactor
from coroner_categorizer.redaction.rule import MARK_PATTERN
from coroner_categorizer.redaction.sanitize import safe_text
from coroner_operator.anonymize.known_names import KnownNames
from coroner_operator.anonymize.pseudonyms import Pseudonyms, parse_address
from coroner_operator.anonymize.vocabulary import is_plain

TEXT_LIMIT = 64 * 1024  # characters; the API server accepts no longer message of a container or an event

_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_M = f"{_OPEN}{_CLOSE}"  # in a class of characters: what is replaced already may be a part of a name

_REDACTED = re.compile(MARK_PATTERN)
_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_HEX = re.compile(r"\b[0-9a-f]{32,128}\b")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-fA-F:]{2,39}(?![\w:])")
_EMAIL = re.compile(rf"[\w.+{_M}-]{{1,64}}@[\w{_M}-]{{1,63}}(?:\.[\w{_M}-]{{1,63}}){{0,9}}")
_ARN = re.compile(r"\barn:[\w-]*:[^\s\"'<>]{1,512}")
_ACCOUNT = re.compile(
    rf"(?i)(\b(?:account|user|username|login|project|subscription|tenant)(?: id)?\s?[=:]\s?[\"']?)([\w.{_M}-]{{2,128}})"
)
_USER = re.compile(rf"\bsystem:[\w:.{_M}-]{{2,256}}")
_URL = re.compile(r"\b([a-z][a-z0-9+.-]{1,19}://)([^\s/\"'<>?#)\]]{1,255})")
_DIALLED = re.compile(
    r"(\b(?:lookup|dial tcp|dial udp|[Rr]esolve host:?|hostname|[Cc]onnect to|server at|to host) \"?)"
    rf"([\w.{_M}-]{{2,253}})"
)
_HOST = re.compile(
    rf"(?<![\w./{_M}-])[\w{_M}-]{{1,63}}(?:\.[\w{_M}-]{{1,63}}){{0,9}}"
    r"\.(?:com|net|org|io|dev|ai|cloud|internal|local|lan|corp|svc|example|test|invalid|localdomain|info|app|sh|edu|gov"
    r"|de|fr|uk|nl|eu|ch|se|jp|cn|in|us|ca|au|br|ru|kr)\b(?![\w(]|\.\w)"
)
_KUBERNETES = ("k8s.io", "kubernetes.io")  # names of APIs, drivers and labels
_JAVA_PACKAGE = re.compile(r"\b(com|org|io|net|dev)\.([a-z]\w{1,63})(?=\.)")
_NOUN = (
    r"\b((?:pod|node|job|namespace|container|volume|secret|configmap|persistentvolumeclaim|persistentvolume|claim|template"
    r"|serviceaccount|service account|statefulset|deployment|replicaset|daemonset|jobset|workload|queue|quota|webhook"
    r"|policy|priority ?class|runtime ?class|storage ?class|object|user|claims|index|database|bucket|topic)s?:? )"
)
_NAMED = re.compile(rf"(?i){_NOUN}([\"'`])([^\s\"'`/\\]{{1,253}})\2")
_NUMBERED = re.compile(
    rf"(?i){_NOUN}([a-z0-9]{{1,63}}(?:-[a-z0-9]{{1,63}}){{0,9}}-[a-z]{{0,9}}[0-9]{{1,9}})\b(?![-.]\w)"
)
_IMAGE = re.compile(r"(\bimage \"?)([\w.-]{1,128}(?:/[\w.-]{1,128}){0,9}:[\w.-]{1,128})\b")
_ASSIGNED = re.compile(r"(\b[Aa]ssigned \S{1,600} to )([\w.-]{1,253})$")
_QUOTA = re.compile(r"(\bexceeded quota: )([\w.-]{1,253})(?=,)")
_QUOTED = re.compile(r"(?<![\w])([\"'`])([^\s\"'`/\\]{2,253})\1")
_PATH = re.compile(rf"(?<![\w:~])((?:/[\w.@+~{_M}-]{{1,255}})+)")
_DASHED = re.compile(rf"(?<![\w.{_M}-])[a-z0-9.{_M}]{{1,63}}(?:-[a-z0-9.{_M}]{{1,63}}){{1,19}}(?![\w-])")
_LISTED = re.compile(r"(?<=containers with )((?:unready|incomplete) status: )\[([^\]]{1,4096})\]")
_EXTENSION = re.compile(
    r"\.(?:py|go|java|js|ts|rb|rs|c|cc|cpp|h|so|sh|jar|json|ya?ml|txt|log|pt|bin|conf|toml|php|jl|ex)$"
)


class TextAnonymizer:
    """With the names that the objects have given. For messages of any number of objects."""

    def __init__(self, names: Pseudonyms, redactor: TextRedactor = DEFAULT_REDACTOR) -> None:
        self._names = names
        self._redactor = redactor
        self._known = KnownNames(names.texts)
        self._done: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        """The text without names; each distinct text is replaced once."""
        if text not in self._done:
            self._done[text] = self._anonymized(text) if text else ""
        return self._done[text]

    def _anonymized(self, text: str) -> str:
        marks: list[str] = []

        def mark(replacement: str) -> str:
            marks.append(replacement)
            return f"{_OPEN}{len(marks) - 1}{_CLOSE}"

        text = safe_text(text.replace(_OPEN, "?").replace(_CLOSE, "?"), TEXT_LIMIT, self._redactor)
        text = _REDACTED.sub(lambda found: mark(found[0]), text)
        text = self._without_known_names(text, mark)
        text = self._without_numbers(text, mark)
        text = self._without_hosts(text, mark)
        text = self._without_other_names(text, mark)
        while _MARK.search(text):  # what is replaced may have been a part of a longer name
            text = _MARK.sub(lambda found: marks[int(found[1])], text)
        return text

    def _without_known_names(self, text: str, mark: Callable[[str], str]) -> str:
        def known(name: str) -> str:
            replacement = self._known.get(name)
            return name if replacement is None else mark(replacement)

        text = self._known.replace(text, mark)
        return _LISTED.sub(lambda found: f"{found[1]}[{_each(found[2], ' ', known)}]", text)

    def _without_numbers(self, text: str, mark: Callable[[str], str]) -> str:
        def address(found: re.Match[str]) -> str:
            parsed = parse_address(found[0])
            return found[0] if parsed is None else mark(self._names.address(parsed))

        text = _UUID.sub(lambda found: mark(self._names.uid(found[0].lower())), text)
        text = _HEX.sub(lambda found: mark(self._names.hex(found[0])), text)
        return _IPV6.sub(address, _IPV4.sub(address, text))

    def _without_hosts(self, text: str, mark: Callable[[str], str]) -> str:
        def user(found: re.Match[str]) -> str:
            return mark(self._names.name("user", found[0]) + "@example.com")

        def host(found: re.Match[str]) -> str:
            kept = found[0].endswith(_KUBERNETES) or is_plain(_MARK.sub("", found[0]))
            return found[0] if kept else mark(self._host(found[0]))

        def url(found: re.Match[str]) -> str:
            account, at, place = found[2].rpartition("@")
            name, colon, port = place.partition(":")
            kept = _MARK.fullmatch(name) or name in ("localhost", "") or name.startswith("[")
            front = mark(self._names.name("user", account)) + at if at else ""
            return found[1] + front + (name if kept else mark(self._host(name))) + colon + port

        def dialled(found: re.Match[str]) -> str:
            is_word = "." not in found[2] and is_plain(found[2])
            kept = _MARK.fullmatch(found[2]) or is_word or parse_address(found[2])
            return found[0] if kept else found[1] + mark(self._host(found[2]))

        text = _URL.sub(url, text)
        text = _EMAIL.sub(user, text)
        text = _ARN.sub(lambda found: mark(f"arn:aws:iam::000000000000:{self._names.name('resource', found[0])}"), text)
        text = _ACCOUNT.sub(lambda found: found[1] + mark(self._names.name("user", found[2])), text)
        text = _USER.sub(lambda found: _each(found[0], ":", lambda part: self._other(part, "user", mark)), text)
        return _HOST.sub(host, _DIALLED.sub(dialled, text))

    def _without_other_names(self, text: str, mark: Callable[[str], str]) -> str:
        def quoted(found: re.Match[str]) -> str:
            return found[1] + self._other(found[2], "name", mark) + found[1]

        def named(found: re.Match[str]) -> str:
            is_address = parse_address(found[3]) is not None
            return found[0] if is_address else f"{found[1]}{found[2]}{name('name', found[3])}{found[2]}"

        def name(kind: str, original: str) -> str:
            return original if _MARK.search(original) else mark(self._names.name(kind, original))

        text = _IMAGE.sub(lambda found: found[1] + mark(self._names.image(found[2])), text)
        text = _ASSIGNED.sub(lambda found: found[1] + name("node", found[2]), text)
        text = _QUOTA.sub(lambda found: found[1] + name("quota", found[2]), text)
        text = _NUMBERED.sub(lambda found: found[1] + name("name", found[2]), _NAMED.sub(named, text))
        text = _JAVA_PACKAGE.sub(lambda found: f"{found[1]}.{self._other(found[2], 'package', mark)}", text)
        text = _PATH.sub(lambda found: _each(found[1], "/", lambda part: self._other(part, "path", mark)), text)
        text = _QUOTED.sub(quoted, text)
        return _DASHED.sub(lambda found: self._other(found[0], "name", mark), text)

    def _host(self, name: str) -> str:
        return self._names.name("host", name.lower()) + ".example"

    def _other(self, text: str, kind: str, mark: Callable[[str], str]) -> str:
        """The text if it has known words only; else its pseudonym, with the end that says what file it is."""
        if is_plain(_MARK.sub("", text)):
            return text
        extension = _EXTENSION.search(text)
        end = extension[0] if extension else ""
        stem = text.removesuffix(end)
        return text if is_plain(_MARK.sub("", stem)) else mark(self._names.name(kind, stem)) + end


def _each(text: str, separator: str, change: Callable[[str], str]) -> str:
    return separator.join(change(part) for part in text.split(separator))
