"""``coroner lint``: every error of rules and redaction files, one line each."""

from __future__ import annotations

from collections.abc import Callable

import click

import coroner_categorizer as cc
from coroner_categorizer.redaction.sanitize import one_line
from coroner_categorizer.rules.parser import parse
from coroner_operator.cli.errors import BAD_INPUT, BadInput, OneLineCommand
from coroner_operator.cli.rules_argument import counted, display_name, read_argument
from coroner_operator.config.rules_files import Content, decode, describe, parse_redaction, parse_rules

_LINE_LIMIT = 1000  # characters of one line


@click.command(cls=OneLineCommand, short_help="Check rules and redaction files.")
@click.argument("rules", metavar="RULES.yaml...", nargs=-1)
@click.option("--redaction", metavar="FILE", multiple=True, help="Check this file with patterns for secrets as well.")
@click.pass_context
def lint(ctx: click.Context, rules: tuple[str, ...], redaction: tuple[str, ...]) -> None:
    """Check rules and redaction files as the operator reads them; - reads standard input.

    Every error is one line on standard output, FILE: PATH: FAULT; REMEDY. A file that cannot be read at all
    (absent, a directory, too large) is one line on standard error.

    \b
    Exit status: 0  every file can be used
                 2  at least one cannot
    """
    if not rules and not redaction:
        raise BadInput(ctx.command_path, "Missing argument 'RULES.yaml...'", f'see "{ctx.command_path} --help"')
    counts = [_check(file, _rules_summary) for file in rules]
    counts += [_check(file, _redaction_summary) for file in redaction]
    if errors := sum(counts):
        faulty = sum(count > 0 for count in counts)
        click.echo(f"{counted(errors, 'error')} in {faulty} of {counted(len(counts), 'file')}", err=True)
        ctx.exit(BAD_INPUT)


def _check(argument: str, summary: Callable[[Content], str]) -> int:
    """Prints the errors of one file, or that it has none; their number."""
    name = display_name(argument)
    try:
        _print(f"{name}: ok ({summary(read_argument(argument))})")
    except BadInput as unreadable:
        unreadable.show()
        return 1
    except cc.ConfigError as invalid:
        for error in invalid.errors:
            _print(describe(name, error))
        return len(invalid.errors)
    return 0


def _rules_summary(content: Content) -> str:
    """``12 rules in 4 categories``: of the file itself. Raises ConfigError."""
    parse_rules(content)
    rules = parse(decode(content)).rules
    categories = {rule.category for rule in rules}
    return f"{counted(len(rules), 'rule')} in {counted(len(categories), 'category', 'categories')}"


def _redaction_summary(content: Content) -> str:
    """``3 patterns``. Raises ConfigError."""
    return counted(len(parse_redaction(content)), "pattern")


def _print(line: str) -> None:
    click.echo(one_line(line, _LINE_LIMIT))
