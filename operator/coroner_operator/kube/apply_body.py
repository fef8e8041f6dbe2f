"""The body of a server-side apply. Its content type is YAML, and the API server's YAML is not quite JSON's superset.

Seen on a kube-apiserver 1.36: JSON's surrogate pairs (an emoji as ``\\ud83d\\udd25``) are refused as an invalid escape,
and raw DEL, C1 controls, U+FFFE and U+FFFF as control characters. So: up to U+FFFF everything beyond ASCII is escaped,
above it is written as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# With the bare name the client library would dump the body itself, with surrogate pairs. The API server ignores
# parameters.
CONTENT_TYPE = "application/apply-patch+yaml; charset=utf-8"

_ESCAPED = re.compile("[\x7f-\uffff]")


def apply_body(obj: Mapping[str, Any]) -> bytes:
    """``obj`` as YAML that every API server reads. Lone surrogates, which no encoding has, become U+FFFD."""
    # Such characters occur inside strings only, so escaping them in the text of the document is safe.
    text = _ESCAPED.sub(lambda found: f"\\u{_readable(found.group()):04x}", json.dumps(obj, ensure_ascii=False))
    return text.encode()


def _readable(char: str) -> int:
    code = ord(char)
    return 0xFFFD if 0xD800 <= code <= 0xDFFF else code
