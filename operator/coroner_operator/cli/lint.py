"""``coroner lint``: every mistake in rule files, one line each."""

from __future__ import annotations

import click

import coroner_categorizer as cc
from coroner_categorizer.redaction.sanitize import one_line
from coroner_operator.cli.errors import BAD_INPUT, BadInput, OneLineCommand
from coroner_operator.cli.rules_argument import counted, read_rules

_LINE_LIMIT = 1000  # characters of one finding


@click.command(cls=OneLineCommand, short_help="Check rule files.")
@click.argument("files", metavar="RULES.yaml...", nargs=-1, required=True)
@click.pass_context
def lint(ctx: click.Context, files: tuple[str, ...]) -> None:
    """Check rule files; - reads standard input.

    Every mistake is one line on standard output, FILE: PATH: FAULT; REMEDY. A file that cannot be read at all
    (not YAML, empty, a directory) is one line on standard error.

    \b
    Exit status: 0  every file can be used
                 2  at least one cannot
    """
    mistakes = faulty = 0
    for file in files:
        try:
            rules = read_rules(file)
            cc.load(rules.text)
        except BadInput as fault:
            fault.show()
            found = 1
        except cc.ConfigError as error:
            for mistake in error.errors:
                path = f"{mistake.path}: " if mistake.path else ""
                click.echo(one_line(f"{rules.name}: {path}{mistake.detail}; {mistake.remedy}", _LINE_LIMIT))
            found = len(error.errors)
        else:
            click.echo(one_line(f"{rules.name}: ok ({rules.summary})", _LINE_LIMIT))
            found = 0
        mistakes += found
        faulty += bool(found)
    if mistakes:
        click.echo(f"{counted(mistakes, 'mistake')} in {faulty} of {counted(len(files), 'file')}", err=True)
        ctx.exit(BAD_INPUT)
