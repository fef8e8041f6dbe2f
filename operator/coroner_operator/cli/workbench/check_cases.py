"""``coroner test``: whether cases get the verdicts that a file expects."""

from __future__ import annotations

import click

from coroner_operator.cli.errors import OneLineCommand
from coroner_operator.cli.lines import print_line
from coroner_operator.cli.rules_argument import counted, load_rules
from coroner_operator.cli.workbench.cases import CaseFolder, differences, read_cases, verdicts_of

_DIFFERS = 1


@click.command(cls=OneLineCommand, short_help="Check that recorded cases get the expected verdicts.")
@click.argument("rules", metavar="[RULES.yaml]", required=False)
@click.option("--cases", "files", metavar="FILE", multiple=True, required=True, help="The cases. May be repeated.")
@click.option(
    "--objects",
    metavar="FOLDER",
    help="Where NAME.json of each case is. Default: the folder called like FILE, else that of FILE.",
)
@click.option("-v", "--verbose", is_flag=True, help="Print a line for every case.")
@click.pass_context
def test(ctx: click.Context, *, rules: str | None, files: tuple[str, ...], objects: str | None, verbose: bool) -> None:
    """Check that recorded objects get the expected verdicts with RULES; without RULES, with the default pack.

    \b
    A file of cases is YAML, from the name of a case to what is expected:
        cuda-oom:                                  # the objects are in cuda-oom.json
          verdicts: [accelerator/device-oom]       # answers that are equally right
          retry: NeedsChange
          says: ["batch size"]                     # RE2, in message and hint
        healthy-pod: null                          # nothing is failing
    All keys are described in docs/rules.md. NAME.json is what "kubectl get ... -o json"
    prints: a pod or workload with its events, or a List of them.

    \b
    Exit status: 0  every case gets its verdict
                 1  at least one does not
                 2  wrong usage, rules, cases or objects: one line on standard error
    """
    categorizer = load_rules(rules)
    total = wrong = 0
    for file in files:
        cases = read_cases(file)  # first: what is no file has no folder beside it
        folder = CaseFolder(file, objects)
        for case in cases:
            found = differences(case, verdicts_of(case, folder.objects_of(case), categorizer))
            total += 1
            wrong += bool(found)
            if found or verbose:
                print_line(f"{'FAIL' if found else 'ok'} {case.name}")
            for difference in found:
                print_line(difference, indent="      ")
    right = f"{total - wrong} of {counted(total, 'case')} as expected"
    print_line(f"{right}, {wrong} not" if wrong else right)
    ctx.exit(_DIFFERS if wrong else 0)
