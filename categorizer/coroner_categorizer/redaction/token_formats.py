"""Tokens that are recognised by their format alone, one row a provider: mark, keywords, pattern.

The prefixes are the providers' own (GitHub, GitLab, Slack, … publish them for secret scanners). The minimum lengths are
well below the real ones: a token that a log has truncated is still a secret. A left boundary is required only where the
prefix is short enough to occur inside words ("task-…", "shelf_…").
"""

from __future__ import annotations

from coroner_categorizer.redaction.rule import Regexp, Rule, pattern_rule

_LEFT = r"(?:^|[^A-Za-z0-9])"  # RE2 has no look-behind; the secret itself is group 1

_FORMATS: tuple[tuple[str, str, str], ...] = (
    # Cloud providers
    ("aws-key", "akia asia abia acca", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?::[A-Za-z0-9/+=]{40})?"),
    ("aws-session-token", "fwogzxiv iqojb3jp", r"(?:FwoGZXIv|IQoJb3Jp)[A-Za-z0-9+/=%]{40,}"),
    ("aws-bedrock-key", "absk", r"ABSK[A-Za-z0-9+/=]{100,}"),
    ("google-api-key", "aiza", r"AIza[A-Za-z0-9_-]{30,}"),
    ("google-oauth-token", "ya29. 1//0", r"ya29\.[A-Za-z0-9_.-]{10,}|1//0[A-Za-z0-9_-]{24,}"),
    ("google-client-secret", "gocspx-", r"GOCSPX-[A-Za-z0-9_-]{16,}"),
    ("azure-client-secret", "q~", r"[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{30,}"),
    ("digitalocean-token", "_v1_", r"do[opr]_v1_[a-f0-9]{16,}"),
    ("cloudflare-token", "v1.0-", _LEFT + r"(v1\.0-[a-f0-9]{24}-[a-f0-9]{60,})"),
    ("alibaba-key", "ltai", _LEFT + r"(LTAI[A-Za-z0-9]{16,})"),
    ("heroku-key", "hrku-", r"HRKU-[A-Za-z0-9_-]{30,}"),
    ("fly-token", "flyv1 fo1_", r"FlyV1 [A-Za-z0-9_,+/=-]{30,}|fo1_[A-Za-z0-9_-]{30,}"),
    ("scalingo-token", "tk-us-", _LEFT + r"(tk-us-[A-Za-z0-9_-]{30,})"),
    ("tailscale-key", "tskey-", r"tskey-[a-z]+-[A-Za-z0-9-]{10,}"),
    # Code hosts, registries, CI
    ("github-token", "gho_ ghp_ ghr_ ghs_ ghu_", r"gh[pousr]_[A-Za-z0-9]{16,}"),
    ("github-token", "github_pat_", r"github_pat_[A-Za-z0-9_]{16,}"),
    (
        "gitlab-token",
        "glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glimt- glagent- glsoat- glffct- gloas- glwt-",
        r"gl(?:pat|dt|rtr?|cbt|ptt|ft|imt|agent|soat|ffct|oas|wt)-[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+)*",
    ),
    ("gitlab-token", "gr1348941", r"GR1348941[A-Za-z0-9_-]{16,}"),
    ("docker-token", "dckr_", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{10,}"),
    ("npm-token", "npm_", r"npm_[A-Za-z0-9]{20,}"),
    ("pypi-token", "pypi-age", r"pypi-AgE[A-Za-z0-9_-]{16,}"),
    ("rubygems-key", "rubygems_", r"rubygems_[a-f0-9]{32,}"),
    ("atlassian-token", "atatt3 atctt3", r"AT[AC]TT3[A-Za-z0-9_=-]{40,}"),
    ("artifactory-key", "akcp", r"AKCp[A-Za-z0-9]{40,}"),
    ("terraform-token", ".atlasv1.", r"[A-Za-z0-9]{10,}\.atlasv1\.[A-Za-z0-9_=-]{40,}"),
    ("prefect-token", "pnu_", _LEFT + r"(pnu_[A-Za-z0-9]{30,})"),
    ("postman-key", "pmak-", r"PMAK-[a-f0-9]{20,}-[a-f0-9]{20,}"),
    ("octopus-key", "api-", _LEFT + r"(API-[A-Z0-9]{26})\b"),
    ("infracost-token", "ico-", _LEFT + r"(ico-[A-Za-z0-9]{32})"),
    ("pulumi-token", "pul-", _LEFT + r"(pul-[a-f0-9]{40})"),
    ("openshift-token", "sha256~", r"sha256~[A-Za-z0-9_-]{20,}"),
    # Models and data
    ("anthropic-key", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{10,}"),
    (
        "openai-key",
        "sk-",
        _LEFT + r"(sk-(?:(?:proj|svcacct|admin|None|or-v1)-[A-Za-z0-9_-]{16,}|[A-Za-z0-9]{20,}))",
    ),
    ("huggingface-token", "hf_ api_org_", _LEFT + r"((?:hf_|api_org_)[A-Za-z0-9]{20,})"),
    ("wandb-key", "wandb_v1_", r"wandb_v1_[A-Za-z0-9_]{20,}"),
    # 40 hexadecimal digits are a git hash everywhere but here.
    ("wandb-key", "wandb", r"(?i:wandb)[ .](?:login|api[_ ]?key)\b[^\n]{0,40}?[\s=:'\"(]((?:local-)?[0-9a-f]{40})\b"),
    ("databricks-token", "dapi", r"dapi[0-9a-f]{32}(?:-\d+)?"),
    ("groq-key", "gsk_", _LEFT + r"(gsk_[A-Za-z0-9]{30,})"),
    ("nvidia-key", "nvapi-", r"nvapi-[A-Za-z0-9_-]{30,}"),
    ("replicate-token", "r8_", _LEFT + r"(r8_[A-Za-z0-9]{30,})"),
    ("xai-key", "xai-", _LEFT + r"(xai-[A-Za-z0-9]{40,})"),
    ("perplexity-key", "pplx-", r"pplx-[A-Za-z0-9]{30,}"),
    ("langsmith-key", "lsv2_", r"lsv2_(?:pt|sk)_[A-Za-z0-9_]{30,}"),
    ("kaggle-token", "kgat_", r"KGAT_[A-Za-z0-9]{20,}"),
    ("planetscale-token", "pscale_", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{20,}"),
    ("notion-token", "ntn_", _LEFT + r"(ntn_[0-9]{8,}[A-Za-z0-9]{30,})"),
    ("airtable-token", "pat", _LEFT + r"(pat[A-Za-z0-9]{14}\.[a-f0-9]{64})"),
    ("linear-key", "lin_api_", r"lin_api_[A-Za-z0-9]{30,}"),
    ("supabase-token", "sbp_ sb_secret_", r"sbp_[a-f0-9]{32,}|sb_secret_[A-Za-z0-9_-]{16,}"),
    # Messages, mail, payments
    ("slack-token", "xox", r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{10,}"),
    ("slack-token", "xapp-", r"xapp-\d-[A-Za-z0-9-]{10,}"),
    (
        "slack-webhook",
        "hooks.slack",
        r"(?i)hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_+-]{6,})",
    ),
    ("discord-webhook", "webhooks/", r"(?i)discord(?:app)?\.com/api/(?:v\d+/)?webhooks/([A-Za-z0-9/_-]{6,})"),
    ("discord-token", ".", _LEFT + r"([MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,})"),
    ("teams-webhook", "webhookb2/", r"(?i)webhook\.office\.com/webhookb2/([^\s\"'<>\\]{6,})"),
    ("telegram-token", ":aa", _LEFT + r"(\d{8,10}:AA[A-Za-z0-9_-]{30,})"),
    ("sendgrid-key", "sg.", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("mailgun-key", "key-", _LEFT + r"(key-[0-9a-f]{32})"),
    ("twilio-key", "sk", _LEFT + r"(SK[0-9a-f]{32})"),
    ("stripe-key", "k_live_ k_test_", r"[rs]k_(?:live|test)_[A-Za-z0-9]{10,}"),
    ("stripe-webhook-secret", "whsec_", r"whsec_[A-Za-z0-9+/=]{16,}"),
    ("brevo-key", "xkeysib-", r"xkeysib-[a-f0-9]{40,}-[A-Za-z0-9]{10,}"),
    ("facebook-token", "eaa", _LEFT + r"(EAA[A-Za-z0-9]{60,})"),
    ("shippo-token", "shippo_", r"shippo_(?:live|test)_[a-f0-9]{30,}"),
    ("easypost-key", "ezak eztk", _LEFT + r"(EZ[AT]K[A-Za-z0-9]{50,})"),
    ("shopify-token", "shp", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    ("square-token", "sq0", r"sq0(?:atp|csp)-[A-Za-z0-9_-]{20,}"),
    # Machines
    ("vault-token", "hvs. hvb. hvr.", r"hv[sbr]\.[A-Za-z0-9_-]{16,}"),
    ("grafana-token", "glsa_ glc_", r"glsa_[A-Za-z0-9]{20,}(?:_[a-f0-9]+)?|glc_[A-Za-z0-9+/=]{30,}"),
    ("newrelic-key", "nrak-", r"NRAK-[A-Z0-9]{20,}"),
    ("sentry-token", "sntrys_ sntryu_", r"sntry[su]_[A-Za-z0-9+/=_-]{30,}"),
    ("dynatrace-token", "dt0", r"dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{30,}"),
    ("doppler-token", "dp.", _LEFT + r"(dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{30,})"),
    ("onepassword-token", "ops_eyj a3-", r"ops_eyJ[A-Za-z0-9+/=]{40,}|\bA3-[A-Z0-9]{6}-[A-Z0-9-]{26,}"),
    ("age-key", "age-secret-key-", r"AGE-SECRET-KEY-[A-Z0-9-]{10,}"),
    # The header may have been cut off by the tail, and the signature by another limit: ".eyJ" (the claims) is enough.
    (
        "jwt",
        "eyj",
        r"[A-Za-z0-9_-]*\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?|eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]+)+",
    ),
    # Of a short token, a digit says that it is no word: "Bearer authentication required".
    (
        "bearer-token",
        "bearer",
        r"(?i)\bbearer[ \t]+([A-Za-z0-9._~+/-]{20,}=*|[A-Za-z._~+/-]*[A-Za-z][A-Za-z._~+/-]*[0-9][A-Za-z0-9._~+/-]*=*"
        r"|[0-9][A-Za-z0-9._~+/-]*[A-Za-z][A-Za-z0-9._~+/-]{3,}=*)",
    ),
    # crypt(3), bcrypt, argon2, htpasswd; PostgreSQL's stored passwords.
    (
        "password-hash",
        "$1$ $2 $5$ $6$ $y$ $apr1$ $argon2 $pbkdf2 $scrypt$",
        r"\$(?:apr1|1|2[abxy]|5|6|y|argon2(?:id|i|d)|pbkdf2[a-z0-9-]*|scrypt)\$[A-Za-z0-9./,=+$-]{12,}",
    ),
    ("password-hash", "scram-sha-256$", r"SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+"),
)

_NO_TOKEN = Regexp(r"(?i)oauth2?[a-z0-9_.-]*|https?.*|jwt[0-9]?|rfc[0-9]+.*|[0-9.]+")

TOKEN_RULES: tuple[Rule, ...] = tuple(pattern_rule(*row, keep=_NO_TOKEN) for row in _FORMATS)
