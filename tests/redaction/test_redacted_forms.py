"""What is hidden, and how the text around it reads afterwards."""

import pytest

from coroner_categorizer.redaction.redactor import redact
from coroner_categorizer.redaction.rule import MARK
from tests.redaction.secret_samples import BOUNDED_SHAPES, HEX40, JWT, SHAPES


@pytest.mark.parametrize(("mark", "secret"), SHAPES + BOUNDED_SHAPES)
def test_a_provider_s_token_becomes_its_mark(mark: str, secret: str) -> None:
    assert redact(secret) == f"[redacted:{mark}]"
    assert redact(f'error: "{secret}", see log') == f'error: "[redacted:{mark}]", see log'


PAIRS = [
    # shell and environment
    ("password=foo", "password=[redacted:password]"),
    ("DB_PASSWORD=foo DB_HOST=db", "DB_PASSWORD=[redacted:password] DB_HOST=db"),
    ("export X_TOKEN='a b'", "export X_TOKEN='[redacted:token]'"),
    ("mysqldump --password foo --host db", "mysqldump --password [redacted:password] --host db"),
    ("--password=foo", "--password=[redacted:password]"),
    ("login --auth-token 'abc def'", "login --auth-token '[redacted:token]'"),
    ('["--password", "foo", "--x"]', '["--password", "[redacted:password]", "--x"]'),
    ("PGPASSWORD=s3cr,et; psql", "PGPASSWORD=[redacted:password]; psql"),
    ("API_KEY=abc&x=1", "API_KEY=[redacted:api-key]&x=1"),
    ("curl -u bob:hunter2 https://x", "curl -u [redacted:credentials] https://x"),
    (
        "curl -u a:hunter2 -U b:hunter3 https://x; curl -u c:hunter4 https://y",
        "curl -u [redacted:credentials] -U [redacted:credentials] https://x; curl -u [redacted:credentials] https://y",
    ),
    # YAML
    ("password: foo", "password: [redacted:password]"),
    (
        "user: bob\n  password: correct horse battery # old\nhost: x",
        "user: bob\n  password: [redacted:password] # old\nhost: x",
    ),
    ("spring.datasource.password: foo", "spring.datasource.password: [redacted:password]"),
    ("secret: |\n  line one\n  line two\nnext: x", "secret: |\n  [redacted:secret]\nnext: x"),
    ("- name: DB_PASSWORD\n  value: foo\n- name: X", "- name: DB_PASSWORD\n  value: [redacted:password]\n- name: X"),
    # JSON, and JSON in JSON
    ('{"password": "foo", "user": "bob"}', '{"password": "[redacted:password]", "user": "bob"}'),
    (r"{\"password\":\"foo\",\"user\":\"bob\"}", r"{\"password\":\"[redacted:password]\",\"user\":\"bob\"}"),
    (r'"a": "{\\\"token\\\":\\\"x1\\\"}"', r'"a": "{\\\"token\\\":\\\"[redacted:token]\\\"}"'),
    (r'{"password": "fo\"o", "x": 1}', r'{"password": "[redacted:password]", "x": 1}'),
    ('{"client_secret": "foo"}', '{"client_secret": "[redacted:secret]"}'),
    ('{"auths": {"r.io": {"auth": "dXNlcjpwYXNz"}}}', '{"auths": {"r.io": {"auth": "[redacted:authorization]"}}}'),
    ('{"name": "DB_TOKEN", "value": "foo"}', '{"name": "DB_TOKEN", "value": "[redacted:token]"}'),
    ("password: 'it''s'", "password: '[redacted:password]'"),
    ('{"password": "foo', '{"password": "[redacted:password]'),
    # programs
    ("{'password': 'foo', 'u': b'x'}", "{'password': '[redacted:password]', 'u': b'x'}"),
    ("config['api-key'] = 'foo'", "config['api-key'] = '[redacted:api-key]'"),
    ("login(user=a, password=b1, x=1)", "login(user=a, password=[redacted:password], x=1)"),
    ('password="""foo"""', 'password="""[redacted:password]"""'),
    ("map[password:[hunter2] user:[bob]]", "map[password:[[redacted:password]] user:[bob]]"),
    ("Config{Password:foo User:bar}", "Config{Password:[redacted:password] User:bar}"),
    ("{Name:DB_PASSWORD Value:foo ValueFrom:nil}", "{Name:DB_PASSWORD Value:[redacted:password] ValueFrom:nil}"),
    (':password=>"foo"', ':password=>"[redacted:password]"'),
    ("<password>foo</password>", "<password>[redacted:password]</password>"),
    # sentences
    ("connecting with password: hunter2 to host", "connecting with password: [redacted:password] to host"),
    ("Using token: abcdef123 for login", "Using token: [redacted:token] for login"),
    # AWS, Azure, W&B
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = [redacted:aws-key]"),
    ("AccountName=x;AccountKey=ab+/cd==;Suffix=y", "AccountName=x;AccountKey=[redacted:azure-key];Suffix=y"),
    ("SharedAccessKey=abc=", "SharedAccessKey=[redacted:azure-key]"),
    (f"WANDB_API_KEY={HEX40}", "WANDB_API_KEY=[redacted:api-key]"),
    (f"wandb login {HEX40}", "wandb login [redacted:wandb-key]"),
    # connection strings with pairs
    ("Server=x;Password='a;b';Database=y", "Server=x;Password='[redacted:password]';Database=y"),
    ("Password=foo;User Id=sa", "Password=[redacted:password];User Id=sa"),
    (
        "jdbc:postgresql://h/db?user=u&password=p&ssl=1",
        "jdbc:postgresql://h/db?user=u&password=[redacted:password]&ssl=1",
    ),
    ("host=db password=foo user=u", "host=db password=[redacted:password] user=u"),
]

HEADERS = [
    ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted:authorization]"),
    ("Authorization: Basic dXNlcjpwYXNz\nAccept: x", "Authorization: Basic [redacted:authorization]\nAccept: x"),
    ("-H 'Authorization: token abc1' -v", "-H 'Authorization: token [redacted:authorization]' -v"),
    (f"Authorization: Bearer {JWT}", "Authorization: Bearer [redacted:jwt]"),
    ('{"Authorization": "Bearer abc"}', '{"Authorization": "Bearer [redacted:authorization]"}'),
    ("map[Authorization:[Bearer abc] Accept:[x]]", "map[Authorization:[Bearer [redacted:authorization]] Accept:[x]]"),
    ("Proxy-Authorization: Basic dXNlcjpwYXNz", "Proxy-Authorization: Basic [redacted:authorization]"),
    ("Cookie: a=b; c=d", "Cookie: [redacted:cookie]"),
    ("Set-Cookie: sid=abc; Path=/; HttpOnly\nx", "Set-Cookie: [redacted:cookie]\nx"),
    ('"X-Api-Key: zzz9"', '"X-Api-Key: [redacted:api-key]"'),
    ("X-Vault-Token: abc1", "X-Vault-Token: [redacted:token]"),
    ("sent Bearer abcdefghijklmnopqrst1 to x", "sent Bearer [redacted:bearer-token] to x"),
]

URLS = [
    ("postgres://app:hunter2@db:5432/app", "postgres://[redacted:url-credentials]@db:5432/app"),
    ("mongodb+srv://u:p%40s@c.mongodb.net/x", "mongodb+srv://[redacted:url-credentials]@c.mongodb.net/x"),
    ("redis://:pass@host:6379/0", "redis://[redacted:url-credentials]@host:6379/0"),
    ("redis://:pa/ss@host:6379/0", "redis://[redacted:url-credentials]@host:6379/0"),
    ("amqp://guest:gu@est@mq//", "amqp://[redacted:url-credentials]@mq//"),
    ("https://bob:pw@host/a?b=c", "https://[redacted:url-credentials]@host/a?b=c"),
    ("https://0123456789abcdef0123@o0.ingest.io/0", "https://[redacted:url-credentials]@o0.ingest.io/0"),
    ("jdbc:oracle:thin:scott/tiger@//h:1521/x", "jdbc:oracle:thin:[redacted:url-credentials]@//h:1521/x"),
    ("root:pw@tcp(10.0.0.1:3306)/db", "[redacted:url-credentials]@tcp(10.0.0.1:3306)/db"),
    (
        "https://b/k?X-Amz-Date=2&X-Amz-Signature=0ab&x=1",
        "https://b/k?X-Amz-Date=2&X-Amz-Signature=[redacted:url-signature]&x=1",
    ),
    ("?X-Amz-Security-Token=ab%2Fcd%3D&y=1", "?X-Amz-Security-Token=[redacted:url-signature]&y=1"),
    ("&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F2024&y", "&X-Amz-Credential=[redacted:url-signature]&y"),
    ("?sv=2020&sig=abc%2Bdef%3D&se=2", "?sv=2020&sig=[redacted:url-signature]&se=2"),
    (r"?a=1\u0026X-Goog-Signature=ab\u0026x=1", r"?a=1\u0026X-Goog-Signature=[redacted:url-signature]\u0026x=1"),
    ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/services/[redacted:slack-webhook]"),
    ("https://discord.com/api/webhooks/123/ab-c", "https://discord.com/api/webhooks/[redacted:discord-webhook]"),
]


@pytest.mark.parametrize(("text", "expected"), PAIRS + HEADERS + URLS)
def test_the_secret_goes_and_the_rest_stays(text: str, expected: str) -> None:
    assert redact(text) == expected
    assert redact(expected) == expected


def test_every_mark_is_of_one_form() -> None:
    for _, expected in PAIRS + HEADERS + URLS:
        assert expected.count("[redacted:") == len(MARK.findall(expected.encode()))
