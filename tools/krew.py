"""Packs the krew plugin, and prints its manifest: ``tools/krew.py VERSION URI ARCHIVE > coroner.yaml``.

``URI`` is where ARCHIVE will be published. The archive has the same bytes wherever it is made. To try it before that:
``kubectl krew install --manifest coroner.yaml --archive ARCHIVE``.
"""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = {"kubectl-coroner": ROOT / "deploy/krew/kubectl-coroner", "LICENSE": ROOT / "LICENSE"}
"""Name in the archive → file."""
MANIFEST = ROOT / "deploy/krew/coroner.yaml"


def archive() -> bytes:
    """As .tar.gz."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, file in FILES.items():
            content = file.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755 if name.startswith("kubectl") else 0o644
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def manifest(version: str, uri: str, packed: bytes) -> str:
    """``version``: as in pyproject.toml, without the "v" that krew asks for."""
    values = {"VERSION": f"v{version}", "URI": uri, "SHA256": sha256(packed).hexdigest()}
    text = MANIFEST.read_text()
    for name, value in values.items():
        text = text.replace(f": {name}\n", f": {value}\n")
    return text


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(f"usage: {sys.argv[0]} VERSION URI ARCHIVE")
    _, version, uri, target = sys.argv
    packed = archive()
    Path(target).write_bytes(packed)
    sys.stdout.write(manifest(version, uri, packed))
