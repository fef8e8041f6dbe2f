"""Laws of the redactor, its prefilter, and the patterns that a site adds."""

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coroner_categorizer.redaction import (
    command_lines,
    encoded,
    key_values,
    kubernetes_secrets,
    non_secrets,
    pem,
    sentences,
    statements,
    token_formats,
    urls,
    value_reader,
)
from coroner_categorizer.redaction import rule as rule_module
from coroner_categorizer.redaction.redactor import RULES, Redactor, SitePattern, redact
from coroner_categorizer.redaction.rule import Regexp
from tests.redaction.secret_samples import ALNUM36, BOUNDED_SHAPES, HEX40, PEM, SHAPES

FRAGMENTS = (
    *(secret for _, secret in SHAPES + BOUNDED_SHAPES),
    *(
        "password",
        "token",
        "secret",
        "Authorization",
        "Cookie",
        "api_key",
        "--token",
        "name",
        "value",
        "auth",
        "wandb login",
    ),
    *(
        ": ",
        "=",
        " ",
        "\n",
        '"',
        "'",
        '\\"',
        "\\",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        ",",
        ";",
        "&",
        "?",
        "<",
        ">",
        "|\n ",
        "@",
        "/",
    ),
    *(
        "Bearer ",
        "Basic ",
        "a=b",
        "foo",
        "hunter2",
        "not found",
        "invalid ",
        "postgres://",
        "https://",
        "u:p@h",
        ":",
        HEX40,
    ),
    *(
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        ALNUM36,
        "[redacted:",
        "[redacted:jwt]",
        "sig=",
        "kind: Secret",
        '"kind":"Secret"',
        "data:",
        '"data":{',
        "  k: v",
        "\\n",
        "mysql ",
        " -pX",
        "redis-cli -a ",
        "IDENTIFIED BY ",
        "machine m login l ",
        "h:5432:d:u:p7",
        "auth=('u', ",
        "[type=a, input_value=",
        "string(3) ",
        " provided: ",
        'variable "pw" {',
        "default = ",
        " -> ",
        "%3A%2F%2Fu%3Ap%40",
        "Basic ",
        "dXNlcjpwYXNzd29yZDE=",
        "eyJhbGciOi",
        "é",
        "😀",
        "\ud800",
    ),
)
FEWER = settings().max_examples * 2 // 5  # for tests with many parameters; follows the profile
PREFILTER = rule_module.Prefilter(RULES)
busy_text = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=25).map("".join)
value = st.text("abcXYZ0189!@#%^*-_+=/.:?~", max_size=20).map(lambda middle: f"Zq7{middle}Q9")


@given(busy_text | st.text())
def test_redaction_never_raises_and_changes_nothing_the_second_time(text: str) -> None:
    once = redact(text)
    assert redact(once) == once
    once.encode()


@pytest.mark.parametrize("secret", [secret for _, secret in SHAPES])
@settings(max_examples=FEWER)
@given(before=st.text() | busy_text, after=st.text() | busy_text)
def test_a_shaped_secret_survives_in_no_text(secret: str, before: str, after: str) -> None:
    assert secret not in redact(before + secret + after)


@pytest.mark.parametrize("secret", [secret for _, secret in BOUNDED_SHAPES])
@settings(max_examples=FEWER)
@given(before=st.text(), after=st.text())
def test_a_shaped_secret_with_a_boundary_survives_in_no_text(secret: str, before: str, after: str) -> None:
    assert secret not in redact(f"{before} {secret} {after}")


@pytest.mark.parametrize(
    "form",
    [
        "password={}",
        "password: {}",
        '"password": "{}"',
        '{{\\"password\\":\\"{}\\"}}',
        "{{'password': '{}'}}",
        "export DB_PASSWORD='{}'",
        "--password {}",
        "--api-key={}",
        "X_TOKEN={}",
        "client_secret: {}",
        "Authorization: Bearer {}",
        "X-Api-Key: {}",
        "Cookie: session={}",
        '{{"name": "DB_PASSWORD", "value": "{}"}}',
        "<password>{}</password>",
        "DB_PW={}",
        "rootpw: {}",
        "mysql -u root -p{} shop",
        "redis-cli -a {} ping",
        "ALTER USER a IDENTIFIED BY '{}'",
        "CREATE ROLE a PASSWORD '{}'",
        "auth=('bob', '{}')",
        '["password"]=>\n  string(9) "{}"',
        "password\n  String too short [type=string_too_short, input_value='{}', input_type=str]",
        "-Ddb.password={}",
        "Incorrect API key provided: {}",
        'kind: Secret\ndata:\n  host: "{}"',
        '{{"kind":"Secret","stringData":{{"host":"{}"}}}}',
        "machine h login u password {}",
    ],
)
@settings(max_examples=FEWER)
@given(before=st.text(), secret=value, after=st.text())
def test_a_paired_secret_survives_on_no_line(form: str, before: str, secret: str, after: str) -> None:
    assert secret not in redact(f"{before}\n{form.format(secret)}\n{after}".replace("\x00", ""))


@given(before=st.text(), after=st.text())
def test_a_private_key_survives_in_no_text(before: str, after: str) -> None:
    assert PEM[100:150] not in redact(before + PEM + after)


@given(busy_text | st.text())
def test_the_prefilter_agrees_with_a_plain_search(text: str) -> None:
    data = text.encode(errors="replace")
    wanted = [rule for rule in RULES if not rule.keywords or any(need in data.lower() for need in rule.keywords)]
    assert PREFILTER.rules_for(data) == wanted


@given(busy_text)
def test_a_rule_that_the_prefilter_skips_would_change_nothing(text: str) -> None:
    data = text.encode(errors="replace")
    needed = PREFILTER.rules_for(data)
    skipped = [rule for rule in RULES if rule not in needed]
    assert all(rule.apply(data) == data for rule in skipped)


def test_every_pattern_is_re2_and_so_linear() -> None:
    modules = (
        *(command_lines, encoded, key_values, kubernetes_secrets, non_secrets),
        *(pem, rule_module, sentences, statements, token_formats, urls, value_reader),
    )
    names = set(chain.from_iterable(vars(module) for module in modules))
    assert "re" not in names
    patterns = [v for module in modules for v in vars(module).values() if hasattr(v, "groupindex")]
    assert len(patterns) > 30
    assert {type(pattern) for pattern in patterns} == {Regexp}
    assert {type(pattern._compiled).__module__ for pattern in patterns} == {"re2"}


def test_a_site_adds_its_own_secrets() -> None:
    redactor = Redactor([SitePattern("badge", r"BADGE-\d+"), SitePattern("ticket", r"ticket (\w+)")])
    assert redactor.redact("é BADGE-123 and ticket abc") == "é [redacted:badge] and ticket [redacted:ticket]"
    assert redactor.redact("password=x") == "password=[redacted:password]"


@given(busy_text)
def test_a_site_s_pattern_that_matches_marks_comes_to_rest(text: str) -> None:
    redactor = Redactor([SitePattern("letters", "redacted|[a-f]+|é|\\[")])
    once = redactor.redact(text)
    assert redactor.redact(once) == once


@pytest.mark.parametrize(
    ("site", "fault"),
    [
        (SitePattern("a", "("), 'redaction pattern "a": missing ): ('),
        (SitePattern("a", r"(?=x)"), 'redaction pattern "a": invalid perl operator: (?='),
        (SitePattern("a", "x*"), 'redaction pattern "a": matches the empty text; make it match at least one character'),
        (SitePattern("a", "\ud800"), 'redaction pattern "a": not valid text'),
        (
            SitePattern("A b\n", "x"),
            'redaction pattern "A b\\n": the name must be lower-case letters, digits and "-", at most 63',
        ),
    ],
)
def test_a_bad_site_pattern_is_refused_in_one_line(site: SitePattern, fault: str) -> None:
    with pytest.raises(ValueError) as refused:
        Redactor([site])
    assert str(refused.value) == fault


def test_work_grows_with_the_text_and_not_with_its_square() -> None:
    """Counted in searches, not seconds: each search of the pair reader starts where the last value ended."""
    for unit in ("password=", 'password="', "password=a;", "token: ", "password: |\n", "a://b:c@", "password=,"):
        counts = [_searches(unit * n) for n in (100, 1000)]
        assert counts[1] <= 12 * counts[0]


def _searches(text: str) -> int:
    class Counted(Regexp):
        calls = 0

        def search(self, data: bytes, at: int) -> object:
            Counted.calls += 1
            return key_values._ASSIGNED.search(data, at)

    key_values._redact_values(text.encode(), Counted(key_values._ASSIGNED.pattern))
    return Counted.calls
