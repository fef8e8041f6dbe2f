"""Alerts are valid, use metrics that exist, and fire when they should and not earlier."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.cases import CASES
from tests.chart.charts import CHART, MONITORING, Helm, only
from tests.chart.metric_names import exposed_names, names_in

ROOT = Path(__file__).parents[2]
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
ALERTS = {
    "absent": "CoronerAbsent",
    "watchStale": "CoronerWatchStale",
    "reportWritesStalled": "CoronerReportWritesStalled",
    "reportWriteLatencyHigh": "CoronerReportWriteLatencyHigh",
    "errors": "CoronerErrors",
    "watchRestartsHigh": "CoronerWatchRestartsHigh",
    "permissionDenied": "CoronerPermissionDenied",
    "rulesReloadFailed": "CoronerRulesReloadFailed",
    "noLeader": "CoronerNoLeader",
    "unexplainedFailures": "CoronerUnexplainedFailures",
    "mostWorkloadsFail": "CoronerMostWorkloadsFail",
    "failureBurst": "CoronerFailureBurst",
    "nodeFailsPods": "CoronerNodeFailsPods",
    "workloadKeepsFailing": "CoronerWorkloadKeepsFailing",
    "failingWorkloadsGrow": "CoronerFailingWorkloadsGrow",
}


OF_WORKLOADS = {"coroner_failures_total", "coroner_failing_workloads", "coroner_repeating_workloads"}
"""Their namespace is that of the workload."""


def rule_groups(helm: Helm, case: str = "alerts", **values: Any) -> dict[str, Any]:
    """The spec of the rendered PrometheusRule: the output of helm, not the template."""
    spec: dict[str, Any] = only(helm.render(values or CASES[case], apis=MONITORING), "PrometheusRule")["spec"]
    return spec


def rules(helm: Helm, case: str = "alerts") -> dict[str, dict[str, Any]]:
    (group,) = rule_groups(helm, case)["groups"]
    return {rule["alert"]: rule for rule in group["rules"] or [] if "alert" in rule}


@pytest.mark.parametrize("case", ["alerts", "alerts-with-everything"])
def test_prometheus_accepts_the_rules(helm: Helm, promtool: str, tmp_path: Path, case: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rule_groups(helm, case)))
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_can_be_disabled(helm: Helm) -> None:
    assert set(rules(helm)) == set(ALERTS.values())
    assert rules(helm, "no-alerts") == {}
    for switch, alert in ALERTS.items():
        off = {"enabled": True, "alerts": {switch: {"enabled": False}}}
        (group,) = rule_groups(helm, prometheusRule=off)["groups"]
        assert {rule["alert"] for rule in group["rules"]} == set(ALERTS.values()) - {alert}


def test_each_alert_uses_its_values(helm: Helm) -> None:
    for switch, alert in ALERTS.items():
        wanted: dict[str, Any] = {"for": "42m", "severity": "page"}
        if "threshold" in VALUES["prometheusRule"]["alerts"][switch]:
            wanted["threshold"] = 0.77
        (group,) = rule_groups(helm, prometheusRule={"enabled": True, "alerts": {switch: wanted}})["groups"]
        (rule,) = (each for each in group["rules"] if each["alert"] == alert)
        assert (rule["for"], rule["labels"]["severity"]) == ("42m", "page")
        assert ("0.77" in rule["expr"]) == ("threshold" in wanted)


def test_alerts_query_metrics_that_the_operator_exposes(helm: Helm) -> None:
    exposed = exposed_names()
    for alert, rule in rules(helm).items():
        assert names_in(rule["expr"]) - exposed == set(), alert


def test_alerts_select_only_the_series_of_this_release(helm: Helm) -> None:
    for rule in rules(helm).values():
        for name, selector in re.findall(r"(coroner_\w+)(\{[^}]*\})?", rule["expr"]):
            wanted = 'job!=""' if name in OF_WORKLOADS else 'namespace="coroner"'
            assert wanted in selector, rule
    for rule in rules(helm, "alerts-with-everything").values():
        assert 'job="coroner"' in rule["expr"]
        assert rule["labels"]["team"] == "platform"
        assert rule["annotations"]["runbook_url"] == f"https://example.com/runbooks/{rule['alert']}.md"


@pytest.mark.parametrize(
    ("monitor", "job"), [("serviceMonitor", "coroner"), ("podMonitor", "coroner/coroner"), (None, "")]
)
def test_failures_are_selected_by_the_job_of_the_monitor(helm: Helm, monitor: str | None, job: str) -> None:
    """As the Prometheus Operator calls it: https://prometheus-operator.dev/docs/api-reference/api/ (jobLabel)."""
    values: dict[str, Any] = {"prometheusRule": {"enabled": True}, **({monitor: {"enabled": True}} if monitor else {})}
    (group,) = rule_groups(helm, **values)["groups"]
    (rule,) = (each for each in group["rules"] if each["alert"] == "CoronerUnexplainedFailures")
    assert rule["expr"].count(f'job="{job}"' if job else 'job!=""') == 2


def test_each_alert_has_a_summary_and_a_description(helm: Helm) -> None:
    for rule in rules(helm).values():
        assert rule["annotations"]["summary"].endswith(".")
        assert len(rule["annotations"]["description"]) > 60


@dataclass(frozen=True)
class AlertScenario:
    """Synthetic series with one sample a minute, and when the alert must be silent or firing."""

    series: dict[str, str]
    silent_at: str | None
    fires_at: str | None
    labels: dict[str, str]
    words: str = ""
    resolved_at: str = ""
    """When it must be silent again."""


N = 'namespace="coroner"'
W = 'job="coroner",namespace="team-a",workload_kind="Job"'
UP = {f"coroner_build_info{{{N}}}": "1x200"}


def failures(team: str, category: str, subcategory: str) -> str:
    labels = f'job="coroner",namespace="team-{team}",workload_kind="Job"'
    return f'coroner_failures_total{{{labels},category="{category}",subcategory="{subcategory}"}}'


def on_node(node: str) -> str:
    return f'coroner_node_failed_workloads{{{N},node="{node}"}}'


def failing(category: str, state: str) -> str:
    return f'coroner_failing_workloads{{{W},category="{category}",subcategory="x",state="{state}"}}'


SCENARIOS: dict[str, list[AlertScenario]] = {
    "CoronerAbsent": [
        AlertScenario({f"coroner_build_info{{{N}}}": "1x10 _x60"}, "20m", "40m", {"namespace": "coroner"}),
        AlertScenario({'coroner_build_info{namespace="elsewhere"}': "1x60"}, "10m", "20m", {"namespace": "coroner"}),
        AlertScenario(UP, "60m", None, {}),
    ],
    "CoronerWatchStale": [
        # one replica receives nothing after the start; the other receives events all the time
        AlertScenario(
            {
                f'coroner_last_event_timestamp_seconds{{{N},kind="pods"}}': "0x60",
                f'coroner_last_event_timestamp_seconds{{{N},kind="events"}}': "0+60x60",
            },
            "12m",
            "20m",
            {"namespace": "coroner", "kind": "pods"},
            "20m 0s",
        ),
        AlertScenario(
            {
                f'coroner_last_event_timestamp_seconds{{{N},kind="pods",pod="a"}}': "0x60",
                f'coroner_last_event_timestamp_seconds{{{N},kind="pods",pod="b"}}': "0+60x60",
            },
            "50m",
            None,
            {},
        ),
    ],
    "CoronerReportWritesStalled": [
        AlertScenario(
            {f"coroner_queue_length{{{N}}}": "7x60", f'coroner_writes_total{{{N},outcome="written"}}': "5x60"},
            "14m",
            "30m",
            {"namespace": "coroner"},
            "At least 7 workloads",
        ),
        AlertScenario(
            {f"coroner_queue_length{{{N}}}": "7x60", f'coroner_writes_total{{{N},outcome="retried"}}': "0+9x60"},
            "14m",
            "30m",
            {"namespace": "coroner"},
        ),
        AlertScenario(
            {f"coroner_queue_length{{{N}}}": "7x60", f'coroner_writes_total{{{N},outcome="written"}}': "0+1x60"},
            "50m",
            None,
            {},
        ),
        AlertScenario(
            {f"coroner_queue_length{{{N}}}": "7 7 7 0x60", f'coroner_writes_total{{{N},outcome="written"}}': "5x60"},
            "50m",
            None,
            {},
        ),
    ],
    "CoronerReportWriteLatencyHigh": [
        AlertScenario(
            {
                f'coroner_write_delay_seconds_bucket{{{N},le="30"}}': "0+50x60",
                f'coroner_write_delay_seconds_bucket{{{N},le="60"}}': "0+100x60",
                f'coroner_write_delay_seconds_bucket{{{N},le="+Inf"}}': "0+100x60",
            },
            "10m",
            "40m",
            {"namespace": "coroner"},
        ),
        AlertScenario(
            {
                f'coroner_write_delay_seconds_bucket{{{N},le="1"}}': "0+100x60",
                f'coroner_write_delay_seconds_bucket{{{N},le="+Inf"}}': "0+100x60",
            },
            "50m",
            None,
            {},
        ),
    ],
    "CoronerErrors": [
        AlertScenario({f"coroner_errors_total{{{N}}}": "0x10 1x60"}, "9m", "14m", {"namespace": "coroner"}),
        AlertScenario({f"coroner_errors_total{{{N}}}": "3x60"}, "50m", None, {}),
    ],
    "CoronerWatchRestartsHigh": [
        AlertScenario(
            {f'coroner_watch_restarts_total{{{N},kind="pods",reason="dropped"}}': "0+2x90"},
            "20m",
            "50m",
            {"namespace": "coroner", "kind": "pods", "reason": "dropped"},
        ),
        AlertScenario({f'coroner_watch_restarts_total{{{N},kind="pods",reason="expired"}}': "0+1x90"}, "80m", None, {}),
    ],
    "CoronerPermissionDenied": [
        AlertScenario(
            {f'coroner_watch_restarts_total{{{N},kind="events",reason="forbidden"}}': "0+1x60"},
            "4m",
            "20m",
            {"namespace": "coroner", "kind": "events"},
        ),
        AlertScenario({f'coroner_watch_restarts_total{{{N},kind="pods",reason="dropped"}}': "0+3x60"}, "50m", None, {}),
    ],
    "CoronerRulesReloadFailed": [
        AlertScenario(
            {f"coroner_rules_last_reload_success{{{N}}}": "1x10 0x60"}, "14m", "20m", {"namespace": "coroner"}
        ),
        AlertScenario({f"coroner_rules_last_reload_success{{{N}}}": "1x10 0 0 0 1x60"}, "50m", None, {}),
    ],
    "CoronerNoLeader": [
        AlertScenario(
            {f'coroner_leader{{{N},pod="a"}}': "1x10 0x60", f'coroner_leader{{{N},pod="b"}}': "0x70"},
            "14m",
            "20m",
            {"namespace": "coroner"},
        ),
        # leadership was handed over
        AlertScenario(
            {f'coroner_leader{{{N},pod="a"}}': "1x10 _x60", f'coroner_leader{{{N},pod="b"}}': "0x10 1x60"},
            "50m",
            None,
            {},
        ),
    ],
    "CoronerUnexplainedFailures": [
        AlertScenario(
            {
                f'coroner_failures_total{{{W},category="unknown",subcategory="sigkill"}}': "0+3x200",
                f'coroner_failures_total{{{W},category="resources",subcategory="oom-killed"}}': "0+1x200",
            },
            "50m",
            "150m",
            {},
            "75%",
        ),
        # too few: three failures a day must not alert anybody
        AlertScenario(
            {f'coroner_failures_total{{{W},category="unknown",subcategory="sigkill"}}': "0x100 1x100"}, "150m", None, {}
        ),
        # many failures with known causes
        AlertScenario(
            {
                f'coroner_failures_total{{{W},category="unknown",subcategory="sigkill"}}': "0+1x200",
                f'coroner_failures_total{{{W},category="resources",subcategory="oom-killed"}}': "0+9x200",
            },
            "150m",
            None,
            {},
        ),
    ],
    "CoronerMostWorkloadsFail": [
        AlertScenario(
            {
                f'coroner_workloads_ended_total{{{N},outcome="failed"}}': "0x10 0+3x20 60x60",
                f'coroner_workloads_ended_total{{{N},outcome="succeeded"}}': "0+1x90",
            },
            "9m",
            "25m",
            {"namespace": "coroner"},
            "75%",
            resolved_at="60m",
        ),
        # as many succeed
        AlertScenario(
            {
                f'coroner_workloads_ended_total{{{N},outcome="failed"}}': "0+3x60",
                f'coroner_workloads_ended_total{{{N},outcome="succeeded"}}': "0+3x60",
            },
            "50m",
            None,
            {},
        ),
        # too few
        AlertScenario(
            {
                f'coroner_workloads_ended_total{{{N},outcome="failed"}}': "0+1x60",
                f'coroner_workloads_ended_total{{{N},outcome="succeeded"}}': "0x60",
            },
            "50m",
            None,
            {},
        ),
    ],
    "CoronerFailureBurst": [
        AlertScenario(
            {failures(team, "platform", "registry-unavailable"): "0x10 1x60" for team in "abc"},
            "9m",
            "14m",
            {"category": "platform", "subcategory": "registry-unavailable"},
            "Workloads in 3 namespaces",
            resolved_at="30m",
        ),
        # many in two namespaces
        AlertScenario({failures(team, "platform", "sandbox"): "0+9x60" for team in "ab"}, "50m", None, {}),
        # in three namespaces, one cause each
        AlertScenario(
            {
                failures("a", "platform", "sandbox"): "0+1x60",
                failures("b", "platform", "volume-mount"): "0+1x60",
                failures("c", "accelerator", "gpu-lost"): "0+1x60",
            },
            "50m",
            None,
            {},
        ),
        # programs that fail, or need more memory than a device has
        AlertScenario({failures(team, "user-code", "error-exit"): "0+1x60" for team in "abcd"}, "50m", None, {}),
        AlertScenario({failures(team, "accelerator", "device-oom"): "0+1x60" for team in "abcd"}, "50m", None, {}),
    ],
    "CoronerNodeFailsPods": [
        AlertScenario(
            {on_node("gpu-17"): "2x10 9x30 _x60", on_node("gpu-18"): "2x100"},
            "9m",
            "20m",
            {"node": "gpu-17"},
            "Pods of 9 workloads failed on node gpu-17",
            resolved_at="60m",
        ),
        # all nodes alike: an outage
        AlertScenario({on_node(f"node-{number}"): "8x60" for number in range(4)}, "50m", None, {}),
        AlertScenario({on_node("gpu-17"): "4x60"}, "50m", None, {}),
    ],
    "CoronerWorkloadKeepsFailing": [
        AlertScenario(
            {f'coroner_repeating_workloads{{{W},category="resources",subcategory="oom-killed"}}': "0x10 1x40 0x60"},
            "19m",
            "21m",
            {"namespace": "team-a", "workload_kind": "Job", "category": "resources", "subcategory": "oom-killed"},
            "in namespace team-a have failed five times or more with resources/oom-killed",
            resolved_at="60m",
        ),
        AlertScenario(
            {f'coroner_repeating_workloads{{{W},category="resources",subcategory="oom-killed"}}': "0x10 1x5 0x60"},
            "30m",
            None,
            {},
        ),
    ],
    "CoronerFailingWorkloadsGrow": [
        AlertScenario(
            UP | {failing("resources", "Failing"): "2x40 9x100", failing("user-code", "Failed"): "1x140"},
            "44m",
            "47m",
            {"namespace": "team-a"},
            "has 7 failing workloads more",
            resolved_at="80m",
        ),
        # in a namespace that had none
        AlertScenario(
            UP | {failing("resources", "Failing"): "_x40 5x100"},
            "44m",
            "47m",
            {"namespace": "team-a"},
            "has 5 failing workloads more",
            resolved_at="80m",
        ),
        # they end in failure, and are no more than before
        AlertScenario(
            UP | {failing("resources", "Failing"): "9x40 0x100", failing("resources", "Failed"): "0x40 9x100"},
            "50m",
            None,
            {},
        ),
        # Coroner was just installed where many fail
        AlertScenario(
            {f"coroner_build_info{{{N}}}": "1x29 _x60", failing("resources", "Failing"): "50x29 _x60"}, "25m", None, {}
        ),
    ],
}


ON_FAILURES = (
    "CoronerMostWorkloadsFail",
    "CoronerFailureBurst",
    "CoronerNodeFailsPods",
    "CoronerWorkloadKeepsFailing",
    "CoronerFailingWorkloadsGrow",
)


def test_alerts_on_failures_resolve() -> None:
    for alert in ON_FAILURES:
        assert [scenario for scenario in SCENARIOS[alert] if scenario.fires_at and scenario.resolved_at], alert


def test_each_alert_has_a_runbook(helm: Helm) -> None:
    pages = {page.stem: page.read_text() for page in (ROOT / "docs" / "runbooks").glob("Coroner*.md")}
    assert pages.keys() == set(ALERTS.values())
    for name, rule in rules(helm).items():
        assert "runbook_url" not in rule["annotations"]  # only a released chart has the URL
        for heading in ("## Meaning", "## Impact", "## Diagnosis", "## Mitigation"):
            assert heading in pages[name], name


def test_runbooks_name_metrics_that_the_operator_exposes() -> None:
    exposed = exposed_names()
    for page in (ROOT / "docs" / "runbooks").glob("*.md"):
        assert names_in(page.read_text()) - exposed == set(), page.name


def test_every_alert_has_a_scenario_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    assert set(SCENARIOS) == set(ALERTS.values())
    for scenarios in SCENARIOS.values():
        assert {scenario.fires_at is not None for scenario in scenarios} == {True, False}


@pytest.mark.parametrize("alert", SCENARIOS)
def test_alerts_fire_when_they_should_and_not_earlier(helm: Helm, promtool: str, tmp_path: Path, alert: str) -> None:
    groups = rule_groups(helm)
    (rule,) = (each for each in groups["groups"][0]["rules"] if each["alert"] == alert)
    severity = rule["labels"]["severity"]
    groups["groups"][0]["rules"] = [{**rule, "annotations": {}}]  # promtool would compare their full text
    output = run_unit_test(
        promtool, tmp_path, groups, [unit_test_input(alert, scenario, severity) for scenario in SCENARIOS[alert]]
    )
    assert "SUCCESS" in output, output


@pytest.mark.parametrize("alert", SCENARIOS)
def test_annotations_contain_the_numbers_of_the_series(helm: Helm, promtool: str, tmp_path: Path, alert: str) -> None:
    groups = rule_groups(helm)
    for scenario in SCENARIOS[alert]:
        if scenario.fires_at:
            output = run_unit_test(promtool, tmp_path, groups, [unit_test_input(alert, scenario, "whatever")])
            got = output.partition("got:")[2]
            assert scenario.words in got
            assert 'summary="Coroner' in got
            assert "error" not in got.lower().replace("coronererrors", ""), (
                "a template of the annotations does not work"
            )


def unit_test_input(alert: str, scenario: AlertScenario, severity: str) -> dict[str, Any]:
    """A unit test in the format of promtool."""
    expected: list[dict[str, Any]] = []
    if scenario.silent_at:
        expected.append({"eval_time": scenario.silent_at, "alertname": alert, "exp_alerts": []})
    if scenario.fires_at:
        fired = {"exp_labels": {**scenario.labels, "severity": severity}}
        expected.append({"eval_time": scenario.fires_at, "alertname": alert, "exp_alerts": [fired]})
    if scenario.resolved_at:
        expected.append({"eval_time": scenario.resolved_at, "alertname": alert, "exp_alerts": []})
    series = [{"series": name, "values": values} for name, values in scenario.series.items()]
    return {"interval": "1m", "input_series": series, "alert_rule_test": expected}


def run_unit_test(promtool: str, folder: Path, groups: dict[str, Any], tests: list[dict[str, Any]]) -> str:
    (folder / "rules.yaml").write_text(yaml.safe_dump(groups))
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (folder / "tests.yaml").write_text(yaml.safe_dump(document))
    command = [promtool, "test", "rules", "tests.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
