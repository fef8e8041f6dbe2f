"""Rules as small texts, and files that change as a kubelet changes them."""

from __future__ import annotations

from pathlib import Path


def rules(category: str, pattern: str = "boom") -> str:
    """One rule before the shipped pack."""
    return (
        "apiVersion: coroner.dev/v1alpha1\nkind: Categorizer\nextends: default\ncategories:\n"
        f"  - name: {category}\n    rules:\n"
        f"      - onTerminationMessage: {{pattern: {pattern!r}}}\n        subcategory: ours\n"
    )


BROKEN = (
    "apiVersion: coroner.dev/v1alpha1\nkind: Categorizer\nextends: default\ncategories:\n  - name: a\n    rules:\n"
    "      - onExitCodes: {operator: Is, values: [1]}\n      - onTerminationMessage: {pattern: '('}\n"
)


class ConfigMapMount:
    """A folder as the kubelet keeps it for a ConfigMap: files are links into ``..data``, which is a link itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turns = 0

    def hold(self, **files: str) -> None:
        """From one instant to the next these are the files (named with ``_`` for ``.``)."""
        self._turns += 1
        new = self._folder / f"..{self._turns}"
        new.mkdir(parents=True)
        for name, text in files.items():
            (new / name.replace("_", ".")).write_text(text)
            link = self._folder / name.replace("_", ".")
            if not link.is_symlink():
                link.symlink_to(Path("..data") / link.name)
        swap = self._folder / "..data_tmp"
        swap.symlink_to(new.name)
        swap.replace(self._folder / "..data")
