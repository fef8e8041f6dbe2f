"""``coroner rules``: the rules in effect, in order and with their sources, and the JSON Schema of a rules file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import click

from coroner_categorizer.categorizer import default_text
from coroner_categorizer.rules.json_schema import rules_schema
from coroner_categorizer.rules.line_numbers import lines_of
from coroner_categorizer.rules.parser import RuleSet, parse
from coroner_categorizer.rules.rule import Rule
from coroner_operator.cli.errors import BadInput, OneLineCommand
from coroner_operator.cli.lines import short_line
from coroner_operator.cli.render.plain import json_document, yaml_document
from coroner_operator.cli.rules_argument import check_rules, counted, display_name, read_argument
from coroner_operator.config.rules_files import decode

DEFAULT_PACK = "default pack"

_HEADER = ("LINE", "RULE", "VERDICT", "LOOKS AT")
_WIDEST = 60  # columns of a name, so that one long name does not move all others


class Source(NamedTuple):
    """One document with the lines of its rules."""

    name: str
    rule_set: RuleSet
    lines: Sequence[int]


class _Group(OneLineCommand, click.Group):
    """A group whose usage errors are one line."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            fault = error.format_message().rstrip(".")
            raise BadInput(ctx.command_path, fault, f'see "{ctx.command_path} --help"') from error


@click.group(
    cls=_Group, invoke_without_command=True, short_help="List the rules in effect, or print their JSON Schema."
)
@click.option("--rules", "file", metavar="FILE", help="These rules. Default: the default pack.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "yaml"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@click.pass_context
def rules(ctx: click.Context, *, file: str | None, output: Literal["text", "json", "yaml"]) -> None:
    """List the rules in effect in the order in which they are tried, and where each comes from.

    \b
    With --rules, these are the rules of the file, then those of the default pack if the
    file has "extends: default". Each rule: its line, its name, the verdict, and what it
    looks at.

    \b
    Exit status: 0, or 2 if the file cannot be used (one line on standard error)
    """
    if ctx.invoked_subcommand is not None:
        return
    sources = list(_sources(file))
    if output == "text":
        _print_text(sources)
    else:
        plain = _plain(sources)
        click.echo(json_document(plain) if output == "json" else yaml_document(plain), nl=False)


@rules.command(cls=OneLineCommand)
def schema() -> None:
    """Print the JSON Schema of rules files, for completion and checks in an editor.

    It is also in the repository: docs/rules.schema.json. docs/rules.md shows how to use it.
    """
    click.echo(schema_text(), nl=False)


def schema_text() -> str:
    return json_document(rules_schema()).decode()


def _sources(file: str | None) -> Iterator[Source]:
    """In the order in which their rules are tried. Raises BadInput."""
    extends_default = file is None
    if file is not None:
        content = read_argument(file)
        check_rules(content, display_name(file))
        own = _source(display_name(file), decode(content))
        extends_default = own.rule_set.extends_default
        yield own
    if extends_default:
        yield _source(DEFAULT_PACK, default_text())


def _source(name: str, text: str) -> Source:
    rule_set = parse(text)
    return Source(name, rule_set, lines_of(text, [str(rule.path) for rule in rule_set.rules]))


def _print_text(sources: Sequence[Source]) -> None:
    rows = [_HEADER, *(row for source in sources for row in _rows(source))]
    widths = [min(max(len(row[column]) for row in rows), _WIDEST) for column in range(3)]
    for source in sources:
        rule_set = source.rule_set
        disabled = "" if rule_set.enabled else ", disabled: classifies nothing"
        summary = f"{counted(len(rule_set.rules), 'rule')}, precedence {rule_set.precedence}{disabled}"
        click.echo(f"{short_line(source.name)}: {summary}")
        for line, name, verdict, looks_at in [_HEADER, *_rows(source)] if rule_set.rules else []:
            left = f"  {line.rjust(widths[0])}  {name.ljust(widths[1])}  {verdict.ljust(widths[2])}"
            click.echo(f"{left}  {looks_at}".rstrip())
        click.echo()
    click.echo(f"If no rule matches: {_default(sources) or 'no category'}")


def _rows(source: Source) -> list[tuple[str, str, str, str]]:
    """Line, name, verdict, matchers."""
    return [
        (str(line), short_line(rule.id), short_line(_verdict(rule)), short_line(_looks_at(rule)))
        for rule, line in zip(source.rule_set.rules, source.lines, strict=True)
    ]


def _verdict(rule: Rule) -> str:
    return "/".join(filter(None, (rule.category, rule.subcategory)))


def _looks_at(rule: Rule) -> str:
    text = ", ".join(matcher.key for matcher in rule.matchers)
    if rule.container:
        text += f" of {rule.container}"
    if rule.unless:
        text += f"; unless {', '.join(matcher.key for matcher in rule.unless)}"
    return text


def _default(sources: Sequence[Source]) -> str:
    chosen = next((s for s in sources if s.rule_set.enabled and s.rule_set.default_category), None)
    if chosen is None:
        return ""
    name = "/".join(filter(None, (chosen.rule_set.default_category, chosen.rule_set.default_subcategory)))
    return f"{short_line(name)} ({chosen.name})"


def _plain(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """One element a rule, in the order in which they are tried."""
    return [
        {
            "rule": rule.id,
            "category": rule.category,
            "subcategory": rule.subcategory,
            "retry": rule.retry,
            "confidence": rule.confidence,
            "matchers": [matcher.key for matcher in rule.matchers],
            "unless": [matcher.key for matcher in rule.unless],
            "containerName": rule.container,
            "source": {"file": source.name, "line": line, "path": str(rule.path)},
            "precedence": source.rule_set.precedence,
            "enabled": source.rule_set.enabled,
        }
        for source in sources
        for rule, line in zip(source.rule_set.rules, source.lines, strict=True)
    ]
