"""Registries that answer wrongly, each at a port of its own on this machine; one manner a port."""

from __future__ import annotations

import hashlib
import json
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


def error(status: int, code: str, message: str, **headers: str) -> Callable[[str], Answer]:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return lambda path: Answer(status, body, {"Content-Type": "application/json", **named})


def document(media_type: str, content: object) -> Answer:
    body = json.dumps(content).encode()
    return Answer(200, body, {"Content-Type": media_type, "Docker-Content-Digest": digest(body)})


def digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def other_platform(path: str) -> Answer:
    """An index of images for s390x only."""
    platform = {"architecture": "s390x", "os": "linux"}
    entry = {"mediaType": IMAGE, "digest": digest(b"s390x"), "size": 5, "platform": platform}
    return document(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})


def after_a_while(path: str) -> Answer:
    time.sleep(8)
    return error(404, "MANIFEST_UNKNOWN", "manifest unknown")(path)


def without_blobs(path: str) -> Answer:
    """A manifest whose configuration and layers are not there."""
    if "/blobs/" in path:
        return error(404, "BLOB_UNKNOWN", "blob unknown to registry")(path)
    config = {"mediaType": CONFIG, "digest": digest(b"config"), "size": 6}
    return document(IMAGE, {"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": []})


CHALLENGE = {"WWW_Authenticate": 'Basic realm="test"'}
ANSWERS: dict[int, Callable[[str], Answer]] = {
    5001: error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
    5002: error(401, "UNAUTHORIZED", "authentication required", **CHALLENGE),
    5003: error(403, "DENIED", "requested access to the resource is denied"),
    5004: error(429, "TOOMANYREQUESTS", "You have reached your pull rate limit."),
    5005: error(500, "UNKNOWN", "internal error"),
    5006: other_platform,
    5007: error(404, "MANIFEST_UNKNOWN", "manifest unknown"),  # behind a certificate that nobody signed
    5009: without_blobs,
    5011: error(503, "UNAVAILABLE", "service unavailable"),
    5012: error(404, "NAME_UNKNOWN", "repository name not known to registry"),
    5013: error(404, "MANIFEST_UNKNOWN", "manifest unknown"),  # plain http, asked by https
    5014: after_a_while,
}
SERVERS = {5007: "https://127.0.0.1:5007", 5008: "https://registry.invalid", 5013: "https://127.0.0.1:5013"}
PORTS = (*ANSWERS, 5008, 5010)


def configure(certs_d: Path) -> None:
    """Tell containerd where each of them is; without this every registry is a closed port."""
    for port in PORTS:
        folder = certs_d / f"localhost_{port}_"
        folder.mkdir(exist_ok=True)
        server = SERVERS.get(port, f"http://127.0.0.1:{port}")
        (folder / "hosts.toml").write_text(f'server = "{server}"\n')


@contextmanager
def registries(certs_d: Path) -> Iterator[None]:
    configure(certs_d)
    with tempfile.TemporaryDirectory() as folder:
        context = self_signed(Path(folder))
        servers = []
        for port, answer in ANSWERS.items():
            server = ThreadingHTTPServer(("127.0.0.1", port), handler(answer))
            if port == 5007:
                server.socket = context.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            servers.append(server)
        try:
            yield
        finally:
            for server in servers:
                server.shutdown()
                server.server_close()


def handler(answer: Callable[[str], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body, headers = answer(self.path)
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own word
            """Nobody reads it."""

    return Handler


def self_signed(folder: Path, *names: str) -> ssl.SSLContext:
    """A server's context with a new certificate, which is in FOLDER/crt."""
    alternatives = ",".join(names or ("IP:127.0.0.1",))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(folder / "key"), "-out", str(folder / "crt"), "-days", "30", "-subj", "/CN=test"]
    subprocess.run([*command, "-addext", f"subjectAltName={alternatives}"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    return context
