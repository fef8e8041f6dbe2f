"""A certificate for the webhooks of all controllers, and the CA that the API server is given with them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.cluster.controllers.catalogue import ADDRESS

FILES = ("ca.crt", "ca.key", "tls.crt", "tls.key")


def make_certificates(folder: Path, names: Iterable[str]) -> str:
    """Write FILES; the CA's certificate. NAMES: DNS names of the certificate besides the node's address.

    The CA bears them too: cert-controller (of the training operator) knows by one of them that a CA is its own.
    """
    folder.mkdir(parents=True)
    dns = [f"DNS:{name}" for name in names]
    usage = "extendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"
    (folder / "extensions").write_text(f"subjectAltName={','.join((f'IP:{ADDRESS}', *dns))}\n{usage}")
    authority = ["-addext", "keyUsage=critical,keyCertSign,digitalSignature"]
    if dns:
        authority += ["-addext", f"subjectAltName={','.join(dns)}"]
    key = ["-newkey", "rsa:2048", "-nodes"]
    days = ["-days", "3650"]  # cert-controller replaces what is over in 90 days
    _openssl(
        folder,
        "req",
        "-x509",
        *key,
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
        "-subj",
        "/CN=controllers/O=tests",
        *days,
        *authority,
    )
    _openssl(folder, "req", *key, "-keyout", "tls.key", "-out", "tls.csr", "-subj", "/CN=webhooks")
    signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
    _openssl(folder, "x509", "-req", "-in", "tls.csr", *signing, "-out", "tls.crt", "-extfile", "extensions", *days)
    _openssl(
        folder, "rsa", "-in", "ca.key", "-traditional", "-out", "ca.key"
    )  # PKCS #1: all that cert-controller reads
    return (folder / "ca.crt").read_text()


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
