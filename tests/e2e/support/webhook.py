"""An admission webhook that denies, is slow or broken: a small TLS server of our own."""

import base64
import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.e2e.support.registry import self_signed

SAID = "image busybox:1.36 is not from registry.example.com"


@contextmanager
def admission_webhook() -> Iterator[tuple[str, str]]:
    """(the CA bundle, base64; the server's URL)."""
    stopping = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
            if self.path.startswith("/slow"):
                stopping.wait(5)
            if self.path.startswith("/broken"):
                self.send_error(500)
                return
            answer = {"uid": request["uid"], "allowed": False, "status": {"message": SAID, "code": 403}}
            review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(review).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own word
            """Nobody reads it."""

    with tempfile.TemporaryDirectory() as folder:
        context = self_signed(Path(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            bundle = base64.b64encode((Path(folder) / "crt").read_bytes()).decode()
            yield bundle, f"https://127.0.0.1:{server.server_port}"
        finally:
            stopping.set()
            server.shutdown()
            server.server_close()
