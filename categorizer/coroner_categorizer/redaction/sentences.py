"""Values that are words of a sentence about a key: "Invalid token: unexpected end", "secret "db" not found".

Such a sentence says what went wrong and must stay readable.
"""

from __future__ import annotations

from coroner_categorizer.redaction.rule import Regexp
from coroner_categorizer.redaction.value_reader import KeyValue

WORD_BEFORE = Regexp(r"[A-Za-z][)\]\"']?[ \t]+[\"'`(]?\z")
# Words with which a sentence about a failure goes on after a colon; none is a likely first word of a pass phrase.
_SENTENCE_WORD = Regexp(
    r"(?i)(?:are|authentication|authorization|cannot|can't|connection|contains?|could|couldn't|did|does|doesn't|empty|eof"
    r"|error|exceeded|expected|expired|failed|failure|field|forbidden|found|has|illegal|incorrect|invalid|is|length"
    r"|malformed|may|missing|must|needs?|never|not|please|required|requires?|rpc|should|status|timed|timeout|too|unable"
    r"|unauthorized|unauthenticated|unexpected|unknown|unsupported|unrecognized|was|were|wrong|denied|rejected|revoked"
    r"|mismatch|verification)"
)
_AFTER_FLAG = Regexp(
    r"(?i)(?:and|or|flags?|option|argument|parameter|in|for|to|with|without|instead|from|via|if|when|has|set|value)"
)
_WORD = Regexp(r"([A-Za-z][A-Za-z'-]*)[,.:;!?)]*")
_ENDS_SENTENCE = Regexp(
    r"(?i)(?:eof|expired|forbidden|unauthorized|unauthenticated|invalid|denied|missing|required|unknown|rejected|revoked"
    r"|malformed|failed|error|timeout|mismatch|unexpected|unsupported)[.!]?"
)
_PARSER_ERROR_BEFORE = Regexp(
    r"(?i)(?:unexpected|illegal|unrecognized|unknown|expected|near|invalid|bad|extra|missing)[ \t]+\z"
)
_OBJECT_STATE = Regexp(
    r"(?i)\\?[\"']?:?[ \t]+(?:is |was |does |has )*"
    r"(?:not|forbidden|missing|already|cannot|expired|invalid|in namespace|of type)\b"
)
_OBJECT = Regexp(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?:?")
# Even after a variable: "DB_PASSWORD: at least 12 characters", "X-Auth-Token: missing header".
_PHRASE = Regexp(
    r"(?i)(?:at (?:least|most)|no such|(?:permission|access) denied|field required"
    r"|(?:must|should|may|can|could|does|do|is|was|are|has|have) ?not|cannot be|can't be|unable to)\b"
    r"|(?:missing|required|invalid|expired|unknown|denied|rejected|failed|forbidden|unauthorized|unexpected|cannot|must"
    r"|should|not|is|was|has|are|does|did)(?: [a-z']+)+(?:[.,;:!)]|\s*\z|\s*\n)"
)
_LOWER_WORD = Regexp(r"[a-z]+(?:[_-][a-z]+)*")
_OBJECT_KEYS = frozenset((b"secret", b"credential", b"credentials"))
_PATH_BEFORE = Regexp(r"/[A-Za-z0-9_.-]*\z")
_TWO_WORDS = Regexp(r"[A-Za-z']+ [a-z]+\b")
_WRAPPED_ERROR = Regexp(r"[a-z]+(?: [a-z]+)*: [a-z]+ [a-z]+")
COMMON_WORDS = frozenset(
    (b"secret", b"token", b"auth", b"authorization", b"credential", b"credentials", b"creds", b"pass", b"cookie")
)


def _is_phrase(pair: KeyValue, text: bytes) -> bool:
    """Words that only a message about the key has, or, after a path or in a chain of errors, any words."""
    if _PHRASE.match(text) or (_PATH_BEFORE.search(pair.before) and _TWO_WORDS.match(text)):
        return True
    return not pair.is_variable and bool(WORD_BEFORE.search(pair.before) and _WRAPPED_ERROR.match(text))


def is_sentence(pair: KeyValue) -> bool:
    """Whether the value is the next word of a sentence, the key being one of its words or the end of a path."""
    if pair.spaced and not pair.quoted and _is_phrase(pair, pair.value + pair.after):
        return True
    words = pair.value.split(None, 1)
    word = _WORD.fullmatch(words[0]) if words else None
    goes_on = len(words) > 1 or (pair.after[:1] in (b" ", b"\t") and pair.after[1:2] not in (b"#", b""))
    if word and not pair.quoted and _is_sentence_word(pair, word.group(), word.group(1), goes_on):
        return True
    if pair.key.lower() not in COMMON_WORDS or pair.is_variable or pair.is_flag:
        return False
    return _is_about_object(pair) or (
        bool(word and pair.spaced and WORD_BEFORE.search(pair.before))
        and ((goes_on and not pair.quoted) or bool(_PARSER_ERROR_BEFORE.search(pair.before)))
    )


def _is_sentence_word(pair: KeyValue, first: bytes, word: bytes, goes_on: bool) -> bool:
    if pair.is_flag:
        return bool(_SENTENCE_WORD.fullmatch(word) or _AFTER_FLAG.fullmatch(word))
    if not pair.spaced or (pair.is_variable and not _ends_identifier(pair)):
        return False
    return bool(_SENTENCE_WORD.fullmatch(word) if goes_on else _ENDS_SENTENCE.fullmatch(first))


def _ends_identifier(pair: KeyValue) -> bool:
    """``FailedToRetrieveImagePullSecret``: an event's reason or a class, not a variable."""
    return pair.before[-1:].isalpha() and pair.key[:1].isupper() and pair.key[1:].islower()


def _is_about_object(pair: KeyValue) -> bool:
    """``secret: default/regcred``, ``secret: "db" not found``, ``POST /v1/token: connection refused``."""
    if pair.before.endswith(b"/") and pair.spaced:
        return True
    if pair.key.lower() == b"secret" and _OBJECT.fullmatch(pair.value):
        return True
    may_be_name = pair.key.lower() in _OBJECT_KEYS or _LOWER_WORD.fullmatch(pair.value)
    return bool(may_be_name and _OBJECT_STATE.match(pair.after))


def ends_sentence(pair: KeyValue) -> bool:
    """Whether the value is a word that ends a complaint: ``token expired``."""
    return bool(_ENDS_SENTENCE.fullmatch(pair.value))
