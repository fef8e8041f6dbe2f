"""``coroner explain``: why pods failed, from files, standard input or a cluster."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

import click

from coroner_operator.cli.errors import BadInput, OneLineCommand
from coroner_operator.cli.explanations import Explanation, explain_objects
from coroner_operator.cli.explanations.explanation import Classifier
from coroner_operator.cli.inputs.cluster_reader import ClusterReader, Target, may_be_kind
from coroner_operator.cli.inputs.input_bytes import read_input
from coroner_operator.cli.inputs.input_objects import InputObjects
from coroner_operator.cli.render import as_html, as_json, as_yaml, print_text
from coroner_operator.cli.render.plain import json_document
from coroner_operator.cli.render.text import standard_output
from coroner_operator.cli.rules_argument import load_rules
from coroner_operator.kube.resources import find_by_name

Output = Literal["text", "json", "yaml", "html"]

_FILE_SUFFIXES = (".json", ".jsonl", ".yaml", ".yml", ".txt", ".log")


@click.command(cls=OneLineCommand, short_help="Explain why pods failed.")
@click.argument("what", metavar="[FILE|-|POD|KIND/NAME]...", nargs=-1)
@click.option("--rules", metavar="FILE", help="Use these rules instead of the default pack.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(get_args(Output)),
    default="text",
    show_default=True,
    help="Output format.",
)
@click.option("--anonymize", is_flag=True, help="Print the objects without names, for a bug report.")
@click.option("-n", "--namespace", metavar="NS", help="Namespace in the cluster. Default: that of the context.")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig. Default: its current context.")
@click.option("--kubeconfig", metavar="FILE", help="Default: $KUBECONFIG, else ~/.kube/config.")
@click.pass_context
def explain(
    ctx: click.Context,
    *,
    what: tuple[str, ...],
    rules: str | None,
    output: Output,
    anonymize: bool,
    namespace: str | None,
    context: str | None,
    kubeconfig: str | None,
) -> None:
    """Explain why pods failed, or could not be created.

    \b
    From files: what "kubectl get ... -o json" or "-o yaml" prints. Pods, workloads,
    events and Lists of them, in any combination. Events (also from another file) are
    joined to their pods by UID and often contain the cause.
        coroner explain pods.json events.json
        kubectl get pods,jobs,events -o json | coroner explain -

    \b
    From the cluster of the kubeconfig: a pod, or all pods of a workload. KIND is a
    kind or its short name: job/train, deploy/web, sts/db, ds/agent, cj/nightly.
        coroner explain train-x7k2p -n ml
        coroner explain job/train -n ml

    \b
    For a bug report: the same objects, as YAML that "coroner explain" reads back, below
    their verdicts. Names, images, addresses, hosts, accounts and UIDs are replaced, and
    all fields that no verdict rests on are left out. Not guaranteed: a word of a message
    that does not look like a name is kept, so read the result before you publish it.
        coroner explain job/train -n ml --anonymize > report.yaml

    Several pods of one workload: which of them failed first comes first.

    -o html writes one page to attach to an incident; it has no script and loads nothing:
        coroner explain job/train -n ml -o html > train.html

    An argument that exists as a file is read as a file. With -n, --context or --kubeconfig, only
    arguments with a file extension (.json, .yaml, ...) are. Without arguments, standard input is read.

    \b
    Exit status: 0  nothing is failing
                 1  something is
                 2  bad usage or input, one line on standard error
    """
    if anonymize and output == "html":
        raise BadInput(ctx.command_path, "--anonymize gives YAML or JSON", "leave -o html out")
    if not what and (sys.stdin is None or sys.stdin.isatty()):
        raise BadInput(ctx.command_path, "nothing to explain", f'name files or pods; see "{ctx.command_path} --help"')
    in_cluster = any(option is not None for option in (namespace, context, kubeconfig))
    categorizer = load_rules(rules)
    objects = InputObjects()
    cluster = ClusterReader(namespace, context, kubeconfig)
    for argument in what or ("-",):
        target = _target(argument, in_cluster)
        if target is None:
            objects.add_input(read_input(argument))
        else:
            cluster.add_to(objects, target)
    explanations = explain_objects(objects, categorizer)
    if anonymize:
        explanations = _print_anonymized(objects, explanations, categorizer, output)
    elif output == "text":
        print_text(explanations, standard_output())
    else:
        click.echo(_encoded(explanations, output), nl=False)
    ctx.exit(int(any(explanation.is_failing for explanation in explanations)))


def _encoded(explanations: Sequence[Explanation], output: Output) -> bytes:
    if output == "html":
        return as_html(explanations, datetime.now(UTC))
    return as_json(explanations) if output == "json" else as_yaml(explanations)


def _print_anonymized(
    objects: InputObjects, before: Sequence[Explanation], classifier: Classifier, output: Output
) -> list[Explanation]:
    """Prints the copy, and returns what it is explained as. A difference is noted on standard error."""
    # Imported late: without it "coroner explain" starts sooner.
    from coroner_operator.cli.explanations.anonymized import anonymized, first_difference  # noqa: PLC0415
    from coroner_operator.cli.render.anonymized import as_anonymized_yaml  # noqa: PLC0415

    copy = anonymized(objects, classifier)
    click.echo(json_document(copy.document) if output == "json" else as_anonymized_yaml(*copy), nl=False)
    if difference := first_difference(before, copy.explanations):
        was, is_now = difference
        click.echo(f"coroner: the anonymized objects get a different verdict: {is_now} instead of {was}", err=True)
    return copy.explanations


def _target(argument: str, in_cluster: bool) -> Target | None:
    """What to read from the cluster; None: the argument is a file."""
    like_a_file = argument.lower().endswith(_FILE_SUFFIXES)
    if argument == "-" or (like_a_file if in_cluster else _exists(argument)):
        return None
    kind, slash, name = argument.partition("/")
    names_a_kind = bool(slash and name) and "/" not in name and may_be_kind(kind)
    if names_a_kind and (find_by_name(kind) or not like_a_file):
        return Target(kind, name, argument)
    if like_a_file or "/" in argument or "\\" in argument or not argument:
        raise BadInput(
            argument, "no such file, and not of the form KIND/NAME", "name a file, a POD or KIND/NAME, e.g. job/train"
        )
    return Target("pod", argument, argument)


def _exists(argument: str) -> bool:
    try:
        return Path(argument).exists()
    except (OSError, ValueError):  # too long, or it contains a NUL
        return False
