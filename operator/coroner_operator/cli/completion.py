"""``coroner completion``: the script with which a shell completes commands and options; and the same for kubectl."""

from __future__ import annotations

from collections.abc import Sequence

import click
from click.shell_completion import ShellComplete, get_completion_class

from coroner_operator.cli.errors import OneLineCommand

SHELLS = ("bash", "zsh", "fish")
NO_FILES = ":4"
"""ShellCompDirectiveNoFileComp of github.com/spf13/cobra: kubectl reads the last line so."""


@click.command(cls=OneLineCommand, short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(SHELLS), metavar=f"[{'|'.join(SHELLS)}]")
@click.pass_context
def completion(ctx: click.Context, /, shell: str) -> None:
    """Print the script that completes the commands and options of coroner in this shell.

    \b
        source <(coroner completion bash)                                        # ~/.bashrc
        source <(coroner completion zsh)                                         # ~/.zshrc
        coroner completion fish > ~/.config/fish/completions/coroner.fish

    For "kubectl coroner" there is nothing to do: kubectl's own completion calls kubectl_complete-coroner.
    """
    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(ctx.find_root().command, {}, "coroner", "_CORONER_COMPLETE").source())


def kubectl_completions(command: click.Command, arguments: Sequence[str]) -> list[str]:
    """What kubectl reads from ``kubectl_complete-coroner``: a candidate a line, with its help after a tab.

    ``arguments``: what is written after ``kubectl coroner``; the last one is completed.
    """
    *before, incomplete = arguments or ("",)
    found = ShellComplete(command, {}, "kubectl-coroner", "").get_completions(list(before), incomplete)
    plain = [item for item in found if item.type == "plain"]
    return [*(f"{item.value}\t{item.help}" if item.help else item.value for item in plain), NO_FILES]
