"""The ``coroner`` command."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from coroner_operator.runtime.lazy_import import gc_paused

_COMMANDS = {
    "why": "Say why workloads failed, from the FailureReports or the cluster.",
    "top": "Count failures by cause, namespace, kind or node.",
    "run": "Watch pods and maintain FailureReports until SIGTERM.",
    "explain": "Explain why pods failed, from files or a cluster.",
    "clean": "Remove what Coroner has written to the cluster.",
    "lint": "Check rules and redaction files.",
    "rules": "List the rules in effect, or print their JSON Schema.",
    "replay": "Show what an edit of the rules changes over recorded failures.",
    "test": "Check that recorded cases get the expected verdicts.",
    "completion": "Print the completion script of a shell.",
}
_MODULES = {
    "why": "reports.why",
    "top": "reports.top",
    "lint": "workbench.lint",
    "rules": "workbench.effective_rules",
    "replay": "workbench.replay",
    "test": "workbench.check_cases",
}
"""Of those commands whose module is not called like them."""


class _Lazy(click.Group):
    """Imports a command only when it is called: ``explain`` of one file need not wait for kopf."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        with gc_paused():
            module = import_module(f"coroner_operator.cli.{_MODULES.get(cmd_name, cmd_name)}")
            command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="coroner-operator", prog_name="coroner")
def main() -> None:
    """Coroner says why a workload's pods failed."""


def kubectl_plugin() -> None:
    """The same as ``kubectl coroner``: kubectl runs the executable kubectl-coroner."""
    main(prog_name="kubectl coroner")


def kubectl_complete() -> None:
    """``kubectl_complete-coroner``, which the completion of kubectl runs."""
    from coroner_operator.cli.completion import kubectl_completions  # noqa: PLC0415

    click.echo("\n".join(kubectl_completions(main, sys.argv[1:])))


if __name__ == "__main__":
    main(prog_name="coroner")
