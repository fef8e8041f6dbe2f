"""A container image archive (docker-archive, linux/amd64) made by hand, without a container runtime.

archive.py OUT.tar TAG[,TAG...] ROOTFS_DIR CONFIG_JSON [BASE.tar]   the files of ROOTFS_DIR as a layer on top of BASE's
archive.py --pause FILE                                             the program of the pause image

The archive depends on its input alone: no time of day, names in order.
"""

import hashlib
import io
import json
import os
import struct
import sys
import tarfile
from pathlib import Path
from typing import Any

CREATED = "2020-01-01T00:00:00Z"
# Ignore SIGCHLD, so that the kernel reaps the pod's orphans; then pause() without end.
PAUSE_CODE = "b80d000000 bf11000000 488d3517000000 31d2 41ba08000000 0f05 b822000000 0f05 ebf7"


def pause_program() -> bytes:
    """A static ELF program of 160 bytes."""
    code = bytes.fromhex(PAUSE_CODE)
    code += b"\0" * (40 - len(code)) + struct.pack("<QQQQ", 1, 0, 0, 0)
    base, header = 0x400000, 64 + 56
    elf = b"\x7fELF\x02\x01\x01" + b"\0" * 9
    elf += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + header, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, header + len(code), header + len(code), 0x1000)
    return elf + segment + code


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_layer(path: Path, rootfs: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for entry in sorted(rootfs.iterdir()):
            tar.add(entry, arcname=entry.name)


def add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def read_json(tar: tarfile.TarFile, name: str) -> Any:
    file = tar.extractfile(name)
    assert file is not None, f"{name} is not a file"
    return json.load(file)


def copy_layers(base: Path, names: list[str], into: tarfile.TarFile) -> None:
    with tarfile.open(base) as tar:
        for name in names:
            into.addfile(tar.getmember(name), tar.extractfile(name))


def write_archive(out: Path, tags: list[str], rootfs: Path, config: dict[str, Any], base: Path | None) -> None:
    layer = out.with_name(f"{out.name}.layer-{os.getpid()}")  # another process may make the same archive now
    write_layer(layer, rootfs)
    below: list[str] = []
    digests: list[str] = []
    if base:
        with tarfile.open(base) as tar:
            (manifest,) = read_json(tar, "manifest.json")
            image = read_json(tar, manifest["Config"])
        below, digests = list(manifest["Layers"]), list(image["rootfs"]["diff_ids"])
        config = {**(image.get("config") or {}), **config}
    digest = sha256(layer)
    digests.append(f"sha256:{digest}")
    layers = [*below, f"{digest}/layer.tar"]
    history = [{"created": CREATED, "created_by": "by hand"}] * len(layers)
    document: dict[str, Any] = {"architecture": "amd64", "os": "linux", "created": CREATED, "config": config}
    document |= {"rootfs": {"type": "layers", "diff_ids": digests}, "history": history}
    encoded = json.dumps(document).encode()
    name = hashlib.sha256(encoded).hexdigest() + ".json"
    new = out.with_name(f"{out.name}.new-{os.getpid()}")
    with tarfile.open(new, "w") as tar:
        add_bytes(tar, name, encoded)
        if base:
            copy_layers(base, below, tar)
        tar.add(layer, arcname=layers[-1])
        add_bytes(tar, "manifest.json", json.dumps([{"Config": name, "RepoTags": tags, "Layers": layers}]).encode())
    layer.unlink()
    new.rename(out)


if __name__ == "__main__":
    if sys.argv[1] == "--pause":
        Path(sys.argv[2]).write_bytes(pause_program())
    else:
        target, tag_list, folder, config_json, *rest = sys.argv[1:]
        write_archive(
            Path(target), tag_list.split(","), Path(folder), json.loads(config_json), Path(rest[0]) if rest else None
        )
