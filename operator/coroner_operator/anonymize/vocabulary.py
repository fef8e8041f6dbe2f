"""Words that identify nobody: those of the default rules, of the recorded phrases, and of file systems.

A name of one such word (``main``, ``worker``) occurs in messages by chance, so it is replaced there only where it is
certainly a name; and what consists of such words only (``site-packages``, ``kube-scheduler``) stays readable.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources

from coroner_categorizer.vocabulary.phrases import FILES

_WORD = re.compile(r"[a-z]{2,}")

# Path segments, domains of well-known projects, and parts of common messages that no rule has.
_MORE = """
amazonaws api apis app apps bin boot blobs cgroup conda cu dev dist etc github google home http https include
io json lib libexec local log logs manifests media microsoft mnt module modules multi node non opt org pkg pre
proc python re root run sbin service sh site slice snapshotter so source src srv sub sys tekton tmp usr users
var venv volume workspace yaml serviceaccount token livez readyz healthz ready health metrics default kube
public system lease
"""


@lru_cache(maxsize=1)
def words() -> frozenset[str]:
    """In lower case, without digits."""
    package = resources.files("coroner_categorizer")
    files = (package / "rules" / "default.yaml", *(package / "vocabulary" / name for name in FILES))
    text = "\n".join((_MORE, *(file.read_text("utf-8") for file in files)))
    return frozenset(_WORD.findall(text.lower()))


@lru_cache(maxsize=1)
def ruled_containers() -> frozenset[str]:
    """Names of containers that the default rules are about, such as those of Spark and Flink."""
    text = (resources.files("coroner_categorizer") / "rules" / "default.yaml").read_text("utf-8")
    return frozenset(re.findall(r"^ *containerName: (\S+)$", text, re.MULTILINE))


def is_plain(text: str) -> bool:
    """Whether every word of the text is known; digits, single letters and punctuation say nothing."""
    return all(word in words() for word in _WORD.findall(text.lower()))
