"""By hand: `python -m tests.cluster.controllers list`, `build [NAME...]`, `run [NAME...]` (until Ctrl-C; needs KUBECONFIG)."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.cluster.controllers.build import build
from tests.cluster.controllers.catalogue import CONTROLLERS, selected
from tests.cluster.controllers.running import running
from tests.cluster.server import Server
from tests.cluster.sources import find_kubectl


def main(arguments: list[str]) -> int:
    match arguments:
        case ["list"]:
            print("\n".join(CONTROLLERS))
        case ["build" | "run" as command, *names] if set(names) <= set(CONTROLLERS):
            controllers = [CONTROLLERS[name] for name in names] or selected()
            kubectl = find_kubectl()
            if kubectl is None:
                sys.exit("there is no kubectl: `tests/cluster/build control-plane` makes one")
            build(controllers, kubectl)
            if command == "run":
                server = Server(Path(os.environ["KUBECONFIG"]), kubectl, "KUBECONFIG", runs_pods=True)
                signal.signal(signal.SIGTERM, signal.default_int_handler)
                with (
                    contextlib.suppress(KeyboardInterrupt),
                    tempfile.TemporaryDirectory() as folder,
                    running(server, controllers, Path(folder)),
                ):
                    print(f"running: {', '.join(each.name for each in controllers)}; logs: {folder}", flush=True)
                    signal.pause()
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
