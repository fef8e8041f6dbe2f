"""How a command fails: one line on stderr, exit status 2, never a traceback."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import IO, Any

import click

from coroner_operator.cli.lines import short_line

BAD_INPUT = 2
INTERRUPTED = 130  # what a shell reports for SIGINT: 128 + 2


class BadInput(click.ClickException):
    """Wrong input or usage: where, what is wrong, what to do."""

    exit_code = BAD_INPUT

    def __init__(self, where: str, fault: str, remedy: str = "") -> None:
        parts = ": ".join(part for part in (where, fault) if part)
        super().__init__(short_line(f"{parts}; {remedy}" if remedy else parts))
        self.where = where
        self.fault = fault
        self.remedy = remedy

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.format_message(), file=file, err=True)


class OneLineCommand(click.Command):
    """A command whose usage errors are one line, and which prints nothing on Ctrl-C."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            fault = error.format_message().rstrip(".")
            raise BadInput(ctx.command_path, fault, f'see "{ctx.command_path} --help"') from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            raise  # click exits silently
        except OSError as error:  # commands handle errors of what they read: this is standard output, e.g. a full disk
            _discard_output()
            raise BadInput(ctx.command_path, f"cannot write: {error.strerror}", "") from error


def _discard_output() -> None:
    """Otherwise Python would retry at exit to write what is buffered, and print the error."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
