"""Where there is no report: the objects themselves, classified now with the rights of the user."""

from __future__ import annotations

from collections.abc import Sequence

import coroner_categorizer as cc
from coroner_operator.cli.explanations import Explanation, explain_objects
from coroner_operator.cli.inputs.cluster_reader import ClusterReader, Target
from coroner_operator.cli.inputs.input_objects import InputObjects
from coroner_operator.cli.reports.selection import Selection
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import WorkloadKey


def explain_target(selection: Selection, target: Target, rules: cc.Categorizer) -> list[Explanation]:
    """Raises BadInput where it cannot be read."""
    objects = InputObjects()
    _reader(selection).add_to(objects, target)
    return explain_objects(objects, rules)


def explain_namespace(selection: Selection, rules: cc.Categorizer) -> list[Explanation]:
    """All pods of the namespace. Raises BadInput where they cannot be read."""
    objects = InputObjects()
    _reader(selection).add_namespace(objects, "coroner why")
    return explain_objects(objects, rules)


def reports_of(explanations: Sequence[Explanation]) -> list[Report]:
    """What a report would say of each workload that has failed."""
    found: dict[WorkloadKey, Report] = {}
    for explanation in explanations:
        report = explanation.report
        if report is not None and report.history:
            found.setdefault(report.workload.key, report)
    return list(found.values())


def _reader(selection: Selection) -> ClusterReader:
    options = selection.connection
    return ClusterReader(selection.namespace, options.context, options.kubeconfig)
