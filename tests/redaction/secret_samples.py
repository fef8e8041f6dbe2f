"""Secrets to plant in texts: of the providers' shapes, none of them real."""

ALNUM36 = "Ab3dEf6hIj9lMn2pQr5tUv8xYz1bCd4fGh7j"
ALNUM48 = ALNUM36 + "Kl0nOp3rSt6v"
HEX32 = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
HEX40 = HEX32 + "deadbeef"
LETTERS34 = "AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh"

JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4ifQ"
    ".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
)

SHAPES: tuple[tuple[str, str], ...] = (
    ("aws-key", "AKIA" + "IOSFODNN7EXAMPLE"),
    ("aws-key", "ASIA" + "IOSFODNN7EXAMPLE"),
    ("github-token", "ghp_" + ALNUM36),
    ("github-token", "gho_" + ALNUM36),
    ("github-token", "ghu_" + ALNUM36),
    ("github-token", "ghs_" + ALNUM36),
    ("github-token", "ghr_" + ALNUM36),
    ("github-token", "github_pat_11ABCDEFG0_" + ALNUM36),
    ("gitlab-token", "glpat-" + ALNUM36[:20]),
    ("gitlab-token", "glpat-" + ALNUM36[:27] + ".01.0w1a2b3c4"),
    ("gitlab-token", "gldt-" + ALNUM36[:20]),
    ("gitlab-token", "glrt-" + ALNUM36[:20]),
    ("slack-token", "xoxb-" + "123456789012-1234567890123-" + ALNUM36[:24]),
    ("slack-token", "xoxp-" + "123456789012-1234567890123-" + ALNUM36[:24]),
    ("slack-token", "xapp-1-" + "A012345-" + ALNUM36),
    ("google-api-key", "AIza" + "Sy" + ALNUM36[:33]),
    ("google-oauth-token", "ya29." + "a0Af_" + ALNUM36),
    ("google-client-secret", "GOCSPX-" + ALNUM36[:28]),
    ("anthropic-key", "sk-ant-" + "api03-" + ALNUM48),
    ("databricks-token", "dapi" + HEX32),
    ("sendgrid-key", "SG." + ALNUM36[:22] + "." + ALNUM48[:43]),
    ("digitalocean-token", "dop_v1_" + HEX32 + HEX32),
    ("vault-token", "hvs." + ALNUM48),
    ("docker-token", "dckr_pat_" + ALNUM36[:27]),
    ("npm-token", "npm_" + ALNUM36),
    ("pypi-token", "pypi-AgE" + "IcHlwaS5vcmc" + ALNUM48),
    ("stripe-key", "sk_live_" + ALNUM36[:24]),
    ("stripe-key", "rk_live_" + ALNUM36[:24]),
    ("age-key", "AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L" + "QPZRY9X8GF2TVDW0S3JN54KHCE"),
    ("grafana-token", "glsa_" + HEX32 + "_1a2b3c4d"),
    ("openshift-token", "sha256~" + ALNUM48[:43]),
    ("jwt", JWT),
)
"""Recognised whatever stands around them."""

BOUNDED_SHAPES: tuple[tuple[str, str], ...] = (
    ("openai-key", "sk-" + ALNUM48),
    ("openai-key", "sk-proj-" + ALNUM48),
    ("huggingface-token", "hf_" + LETTERS34),
    ("telegram-token", "1234567890:AA" + ALNUM36[:33]),
    ("discord-token", "M" + ALNUM36[:25] + ".Gx1y2z." + ALNUM48[:38]),
    ("twilio-key", "SK" + HEX32),
    ("mailgun-key", "key-" + HEX32),
    ("groq-key", "gsk_" + ALNUM48),
    ("alibaba-key", "LTAI" + ALNUM36[:20]),
    ("heroku-key", "HRKU-" + ALNUM36),
    ("fly-token", "fo1_" + ALNUM48[:43]),
    ("scalingo-token", "tk-us-" + ALNUM48),
    ("prefect-token", "pnu_" + ALNUM36),
    ("postman-key", "PMAK-" + HEX32[:24] + "-" + HEX32 + "ab"),
    ("octopus-key", "API-" + "ABCDEFGHIJKLMNOPQRSTUVWXY2"),
    ("infracost-token", "ico-" + ALNUM36[:32]),
    ("notion-token", "ntn_" + "12345678901" + ALNUM36[:35]),
    ("airtable-token", "pat" + ALNUM36[:14] + "." + HEX32 + HEX32),
    ("linear-key", "lin_api_" + ALNUM48[:40]),
    ("brevo-key", "xkeysib-" + HEX32 + HEX32 + "-" + ALNUM36[:16]),
    ("facebook-token", "EAA" + ALNUM48 + ALNUM48),
    ("shippo-token", "shippo_live_" + HEX40),
    ("easypost-key", "EZAK" + ALNUM48 + ALNUM36[:6]),
    ("sentry-token", "sntryu_" + HEX32 + HEX32),
    ("dynatrace-token", "dt0c01." + "ABCDEFGHIJKLMNOPQRSTUVWX" + "." + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 2),
    ("doppler-token", "dp.pt." + ALNUM48[:43]),
    ("onepassword-token", "ops_eyJ" + ALNUM48 + ALNUM48),
)
"""Their prefix also occurs inside words, so they are recognised where no letter or digit stands before them."""

BODY_LINES = (*((ALNUM48 + ALNUM36)[n : n + 64] for n in range(12)), "q83vEjRWeJCrze8=")
PEM = "\n".join(("-----BEGIN RSA PRIVATE KEY-----", *BODY_LINES, "-----END RSA PRIVATE KEY-----"))
