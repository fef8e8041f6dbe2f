"""The images that scenarios run besides busybox, made without a registry and brought into the cluster's containerd."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.scripts import SCRIPTS, cache_folder
from tests.e2e.support.scenario_runner import ScenarioRunner

# Tag → its configuration, and whether it is made on top of busybox.
SMALL = {"localhost/empty:1": ("{}", False), "localhost/nobody:1": ('{"User": "nobody"}', True)}


def cluster_script(runner: ScenarioRunner, name: str, *args: str, **variables: str) -> str:
    """Run one of tests/cluster's scripts on this cluster; its output."""
    environment: Mapping[str, str] = {**os.environ, "STATE": str(runner.state), **variables}
    done = subprocess.run([str(SCRIPTS / name), *args], env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def add_images(runner: ScenarioRunner) -> None:
    """Needs a cluster of tests/cluster/up. The first time it takes two minutes, for localhost/python:3.11."""
    cluster_script(runner, "images", "build", IMAGE_PYTHON="yes")
    cluster_script(runner, "images", "import")
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "files"
        files.mkdir()
        (files / "readme").write_text("an image for tests\n")
        for tag, (config, on_busybox) in SMALL.items():
            base = [str(cache_folder() / "images" / "busybox.tar")] if on_busybox else []
            made = cluster_script(runner, "images", "layer", tag, str(files), *base, IMAGES=folder, CONFIG=config)
            cluster_script(runner, "images", "add", made.strip())
