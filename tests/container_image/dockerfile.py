"""The Dockerfile parsed into instructions, and the image configuration of its last stage."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
EXEC_FORM = ("RUN", "ENTRYPOINT", "CMD")


@dataclass(frozen=True)
class Instruction:
    keyword: str
    """In upper case, like "COPY"."""
    text: str
    """The rest of the instruction, on one line."""

    @property
    def flags(self) -> list[str]:
        return [part for part in shlex.split(self.text) if part.startswith("--")]

    @property
    def arguments(self) -> list[str]:
        """The words without flags; for the exec form its items."""
        if self.text.startswith("["):
            items: list[str] = json.loads(self.text)
            return items
        return [part for part in shlex.split(self.text) if not part.startswith("--")]


def instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        Instruction(word.upper(), rest.strip())
        for word, _, rest in (line.partition(" ") for line in joined.splitlines())
    ]


def stages(text: str) -> list[list[Instruction]]:
    """Split at FROM; instructions before the first FROM belong to no stage."""
    found: list[list[Instruction]] = []
    for instruction in instructions(text):
        if instruction.keyword == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


def image_config(text: str) -> dict[str, Any]:
    """The image configuration that the last stage sets: Env, User, WorkingDir, Entrypoint, Cmd."""
    config: dict[str, Any] = {"Env": []}
    for instruction in stages(text)[-1]:
        match instruction.keyword:
            case "ENV":
                config["Env"] += instruction.arguments
            case "USER":
                config["User"] = instruction.text
            case "WORKDIR":
                config["WorkingDir"] = instruction.text
            case "ENTRYPOINT" | "CMD":
                config[instruction.keyword.title()] = instruction.arguments
    return config
