"""``coroner lint``: every error and every warning of rules and redaction files, one line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import click

import coroner_categorizer as cc
from coroner_categorizer.rules.line_numbers import with_lines
from coroner_categorizer.rules.parser import parse
from coroner_categorizer.rules.review import review
from coroner_operator.cli.errors import BAD_INPUT, BadInput, OneLineCommand
from coroner_operator.cli.lines import print_line
from coroner_operator.cli.rules_argument import counted, display_name, read_argument
from coroner_operator.config.rules_files import Content, decode, describe, parse_redaction, parse_rules

_WARNED = 1
"""Exit status with --strict where there are warnings and no errors."""


class _Summary(NamedTuple):
    """Of a file that can be used."""

    text: str
    warnings: Sequence[cc.FieldError] = ()


class _Count(NamedTuple):
    errors: int = 0
    warnings: int = 0


@click.command(cls=OneLineCommand, short_help="Check rules and redaction files.")
@click.argument("rules", metavar="RULES.yaml...", nargs=-1)
@click.option("--redaction", metavar="FILE", multiple=True, help="Check this file with patterns for secrets as well.")
@click.option("--strict", is_flag=True, help="Exit with status 1 where there are warnings.")
@click.pass_context
def lint(ctx: click.Context, rules: tuple[str, ...], redaction: tuple[str, ...], strict: bool) -> None:
    """Check rules and redaction files as the operator reads them; - reads standard input.

    Every error is one line on standard output, FILE:LINE: PATH: FAULT; REMEDY. A file that cannot be read at all
    (absent, a directory, too large) is one line on standard error.

    \b
    A warning is a line with "warning: " after FILE:LINE. The operator uses such a file;
    what it says is probably not meant: a rule that never matches or never decides, a
    pattern that matches every text, a value that never matches, a misspelled reason, a
    name that is no label value.

    \b
    Exit status: 0  every file can be used
                 1  every file can be used, but there are warnings (with --strict only)
                 2  at least one cannot be used
    """
    if not rules and not redaction:
        raise BadInput(ctx.command_path, "Missing argument 'RULES.yaml...'", f'see "{ctx.command_path} --help"')
    is_only = len(rules) + len(redaction) == 1
    counts = [_check(file, _rules_summary, is_only=is_only) for file in rules]
    counts += [_check(file, _redaction_summary, is_only=is_only) for file in redaction]
    errors, warnings = sum(count.errors for count in counts), sum(count.warnings for count in counts)
    if errors or warnings:
        faulty = sum(any(count) for count in counts)
        found = [counted(errors, "error")] if errors else []
        found += [counted(warnings, "warning")] if warnings else []
        click.echo(f"{', '.join(found)} in {faulty} of {counted(len(counts), 'file')}", err=True)
    if errors:
        ctx.exit(BAD_INPUT)
    if warnings and strict:
        ctx.exit(_WARNED)


def _check(argument: str, summarize: Callable[[Content], _Summary], *, is_only: bool) -> _Count:
    """Prints the errors or warnings of one file, or that it has none; their number.

    Raises BadInput where the only file cannot be read: one line says it, without a sum.
    """
    name = display_name(argument)
    try:
        summary = summarize(read_argument(argument))
    except BadInput as unreadable:
        if is_only:
            raise
        unreadable.show()
        return _Count(errors=1)
    except cc.ConfigError as invalid:
        for error in invalid.errors:
            print_line(describe(name, error))
        return _Count(errors=len(invalid.errors))
    for warning in summary.warnings:
        print_line(describe(name, warning, "warning: "))
    if not summary.warnings:
        print_line(f"{name}: ok ({summary.text})")
    return _Count(warnings=len(summary.warnings))


def _rules_summary(content: Content) -> _Summary:
    """``12 rules in 4 categories``: of the file itself. Raises ConfigError."""
    parse_rules(content)
    text = decode(content)
    rule_set = parse(text)
    categories = {rule.category for rule in rule_set.rules}
    warnings = sorted(with_lines(text, review(rule_set)), key=lambda warning: warning.line)
    rules = f"{counted(len(rule_set.rules), 'rule')} in {counted(len(categories), 'category', 'categories')}"
    return _Summary(rules, warnings)


def _redaction_summary(content: Content) -> _Summary:
    """``3 patterns``. Raises ConfigError."""
    return _Summary(counted(len(parse_redaction(content)), "pattern"))
