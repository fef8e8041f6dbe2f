"""From a shell: ``python -m embedded_apiserver --port 8001 --crds crds/ --kubeconfig /tmp/embedded.kubeconfig``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from embedded_apiserver.server import EmbeddedApiServer


async def serve(port: int, objects: list[Path], kubeconfig: Path | None) -> None:
    server = EmbeddedApiServer(port=port)
    server.load(*objects)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with server:
        if kubeconfig is not None:
            server.kubeconfig(kubeconfig)
        sys.stdout.write(f"listening on {server.url}\n")
        sys.stdout.flush()
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="embedded_apiserver", description="A small Kubernetes API server for tests.")
    parser.add_argument("--port", type=int, default=8001, help="port on 127.0.0.1; 0 = any free port")
    parser.add_argument("--crds", type=Path, nargs="*", default=[], help="YAML files or folders of objects to load")
    parser.add_argument("--kubeconfig", type=Path, help="write a kubeconfig to this file")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.crds, arguments.kubeconfig))


if __name__ == "__main__":
    main()
