"""The files of this project: tracked by git, or new and not ignored."""

import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


@functools.cache
def tracked_files() -> tuple[Path, ...]:
    """Files that are tracked, or new and not ignored. Without git: all files outside hidden folders."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
        files = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        hidden = (".venv", ".git", "__pycache__")
        files = [file for file in ROOT.rglob("*") if not set(hidden) & set(file.relative_to(ROOT).parts)]
    return tuple(sorted(file for file in files if file.is_file()))


def text_of(file: Path) -> str | None:
    """The content of the file; None if it is binary."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
