"""An image of the operator, built without docker: the files of the last stage of the Dockerfile.

The base is Debian with Python 3.11, built by tests/cluster. The locked requirements and the wheel of this tree are
added in the same virtual environment and with the same configuration as in deploy/docker/Dockerfile.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cluster.archive import write_archive
from tests.cluster.scripts import SCRIPTS, cache_folder, script_environment
from tests.cluster.server import Server
from tests.container_image.dockerfile import DOCKERFILE, ROOT, image_config

TAG = "localhost/coroner:of-this-tree"
VENV = Path("opt/coroner")
SITE_PACKAGES = VENV / "lib" / "python3.11" / "site-packages"
LOCK = ROOT / "requirements" / "run.txt"
BUILD_TOOLS = ("hatchling", "editables")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


class ImageError(Exception):
    """The image cannot be built or loaded; the text says why."""


def run(*command: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ImageError(f"{' '.join(command[:6])} …: {' / '.join(lines[-3:])}")
    return done.stdout


def images_folder() -> Path:
    return Path(os.environ.get("IMAGES") or cache_folder() / "images")


def base_image() -> Path:
    """Debian with Python 3.11; takes two minutes the first time."""
    archive = images_folder() / "python.tar"
    if not archive.exists():
        run(str(SCRIPTS / "images"), "build", env=script_environment({"IMAGE_PYTHON": "yes"}))
    return archive


def with_requirements() -> Path:
    """The base image with the locked requirements; cached until one of the two changes."""
    base = base_image()
    digest = hashlib.sha256(LOCK.read_bytes() + f"{base.stat().st_mtime_ns} {base.stat().st_size} 1".encode())
    folder = cache_folder() / "operator-image"
    archive = folder / f"requirements-{digest.hexdigest()[:16]}.tar"
    if archive.exists():
        return archive
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("requirements-*.tar"):
        old.unlink()
    with tempfile.TemporaryDirectory() as work:
        root = Path(work)
        packages = root / SITE_PACKAGES
        options = ("--python-version=3.11", "--only-binary=:all:", "--no-compile", "--require-hashes", "--no-deps")
        run(*PIP, "install", *options, "--target", str(packages), "-r", str(LOCK))
        for tool in BUILD_TOOLS:
            shutil.rmtree(packages / tool, ignore_errors=True)
            for info in packages.glob(f"{tool}-*.dist-info"):
                shutil.rmtree(info)
        make_venv(root / VENV)
        write_archive(archive, ["localhost/coroner-requirements:1"], root, {}, base)
    return archive


def make_venv(folder: Path) -> None:
    """The files that `python -m venv --without-pip` creates, for the interpreter of the base image."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n")
    for name in ("python", "python3", "python3.11"):
        (folder / "bin" / name).symlink_to("/usr/bin/python3.11")


def build_wheel(into: Path) -> Path:
    """The wheel of this tree."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", "1577836800")}
    options = ("--no-deps", "--no-build-isolation", "--no-cache-dir", "-w", str(into))
    run(*PIP, "wheel", str(ROOT), *options, env=environment)
    (wheel,) = into.glob("coroner_operator-*.whl")
    return wheel


def make_image(out: Path) -> Path:
    """Writes the image of the operator, tagged TAG, to the archive `out`. Raises ImageError."""
    base = with_requirements()
    with tempfile.TemporaryDirectory() as work:
        root = Path(work) / "root"
        wheel = build_wheel(Path(work))
        run(*PIP, "install", "--no-deps", "--no-compile", "--target", str(root / SITE_PACKAGES), str(wheel))
        shutil.rmtree(root / SITE_PACKAGES / "bin")  # made for the Python of this machine
        command = root / VENV / "bin" / "coroner"
        command.parent.mkdir(parents=True)
        command.write_text(
            f"#!/{VENV}/bin/python\nimport sys\nfrom coroner_operator.__main__ import main\nsys.exit(main())\n"
        )
        command.chmod(0o755)
        write_archive(out, [TAG], root, image_config(DOCKERFILE.read_text()), base)
    return out


def load_image(server: Server, archive: Path) -> None:
    """Loads the image into the nodes of this cluster. Raises ImageError."""
    if server.origin == "kind":
        name = f"coroner-{server.kubeconfig.parent.name}"
        run("kind", "load", "image-archive", str(archive), "--name", name)
    elif (server.kubeconfig.parent / "run" / "containerd").is_dir():
        environment = script_environment({"STATE": str(server.kubeconfig.parent)})
        run(str(SCRIPTS / "images"), "add", str(archive), env=environment)
    else:
        raise ImageError(f"cannot load an image into {server.origin}; load it yourself and set E2E_IMAGE")
