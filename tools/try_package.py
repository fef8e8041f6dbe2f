"""Use a built wheel as its user would: `python tools/try_package.py [--lowest] dist/NAME.whl`.

It is installed in an empty virtual environment, with the newest dependencies that pyproject.toml allows, or with the
oldest of its direct ones (--lowest; needs uv). Then `explain` and `lint` run, and `run` against the embedded API
server, until it has written a report. Exit status 1, and what failed, if any of it fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CASE = ROOT / "tests" / "fixtures" / "pods" / "b1-oom-main.json"
REPORTS = "/apis/coroner.dev/v1alpha1/failurereports"
REPORT_TIMEOUT_SECONDS = 300.0  # until the report is there; it takes about 5 on an idle machine


class PackageError(Exception):
    """The wheel cannot be used."""


def install(wheel: Path, environment: Path, lowest: bool) -> Path:
    """The folder with its commands."""
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    if lowest:
        uv = os.environ.get("UV") or shutil.which("uv")
        if uv is None:
            raise PackageError("--lowest needs uv")
        wanted = environment / "lowest.in"
        wanted.write_text(f"coroner-operator @ {wheel.resolve().as_uri()}\n")
        command = [uv, "pip", "install", "--quiet", "--resolution", "lowest-direct", "--python", str(python)]
        # of the wheel's own requirements, not of the wheel: those are the direct ones here
        subprocess.run([*command, "-r", str(ROOT / "pyproject.toml")], check=True, cwd=environment)
        subprocess.run([*command, "--no-deps", str(wheel)], check=True)
    else:
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, str(wheel)], check=True)
    return environment / "bin"


def output(*command: str, status: int = 0) -> str:
    """What it prints, outside of this repository. Raises PackageError for another exit status."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tempfile.gettempdir())
    if done.returncode != status:
        raise PackageError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def try_commands(bin_: Path, rules: Path) -> None:
    coroner = str(bin_ / "coroner")
    output(coroner, "--version")
    [answer] = json.loads(output(coroner, "explain", "-o", "json", str(CASE), status=1))
    if answer["verdict"]["subcategory"] != "oom-killed":
        raise PackageError(f"explain: {answer}")
    output(coroner, "lint", str(rules))


def try_operator(bin_: Path, folder: Path) -> None:
    """`run` on an API server with one failed pod: its report is written."""
    kubeconfig = folder / "kubeconfig"
    objects = [str(ROOT / "crds"), str(_objects(folder))]
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "embedded_apiserver",
            "--port",
            "0",
            "--kubeconfig",
            str(kubeconfig),
            "--crds",
            *objects,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    started: list[subprocess.Popen[Any]] = [server]
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        ports = {"CORONER_HEALTH_ADDRESS": "127.0.0.1:0", "CORONER_METRICS_ADDRESS": "127.0.0.1:0"}
        log = folder / "operator.log"
        with log.open("wb") as file:
            operator = subprocess.Popen(
                [str(bin_ / "coroner"), "run", "--kubeconfig", str(kubeconfig)],
                env={**os.environ, **ports},
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )
        started.append(operator)
        _wait_for_report(url, operator, log)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(timeout=60)


def _objects(folder: Path) -> Path:
    """The pod of the case, in a namespace."""
    pod = json.loads(CASE.read_text())["items"][0]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": pod["metadata"]["namespace"]}}
    file = folder / "objects.yaml"
    file.write_text("\n---\n".join(json.dumps(each) for each in (namespace, pod)))
    return file


def _wait_for_report(url: str, operator: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + REPORT_TIMEOUT_SECONDS
    while time.monotonic() < until and operator.poll() is None:
        with urllib.request.urlopen(url + REPORTS, timeout=30) as answer:
            reports = json.load(answer)["items"]
        if reports and reports[0].get("status", {}).get("subcategory") == "oom-killed":
            return
        time.sleep(0.2)
    raise PackageError(f"run: no report was written\n{log.read_text(errors='replace')}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lowest", action="store_true")
    parser.add_argument("wheel", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coroner-package-") as folder:
        try:
            bin_ = install(arguments.wheel, Path(folder) / "venv", arguments.lowest)
            rules = Path(folder) / "rules.yaml"
            rules.write_text("apiVersion: coroner.dev/v1alpha1\nkind: Categorizer\ncategories: []\n")
            try_commands(bin_, rules)
            try_operator(bin_, Path(folder))
        except (PackageError, subprocess.CalledProcessError) as error:
            sys.stderr.write(f"{error}\n")
            return 1
    sys.stdout.write(f"{arguments.wheel.name}: explain, lint and run work\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
