"""The dashboard works in any Grafana, and uses metrics that the operator exposes."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.cases import CASES
from tests.chart.charts import CHART, Helm, of_kind
from tests.chart.metric_names import exposed_names, names_in

FILE = CHART / "files" / "dashboards" / "coroner.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
VARIABLES = {"$__rate_interval": "5m", "$__range": "6h", "$namespace": "team-.*", "$job": "coroner"}


def expressions() -> Iterator[tuple[str, str]]:
    """Title and expression, with the variables filled in."""
    for panel in PANELS:
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            yield panel["title"], expression


def test_it_has_a_uid_and_no_numeric_id() -> None:
    assert DASHBOARD["id"] is None, "a numeric id is specific to one Grafana"
    assert re.fullmatch(r"[a-z-]{1,40}", DASHBOARD["uid"])
    assert DASHBOARD["schemaVersion"] >= 36


def test_panels_are_described_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_the_data_source_is_a_variable() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["namespace"]["datasource"] == chosen
    for panel in PANELS:
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])


def test_the_time_range_is_relative() -> None:
    assert (DASHBOARD["time"]["from"], DASHBOARD["time"]["to"]) == ("now-6h", "now")


def test_it_queries_metrics_that_the_operator_exposes() -> None:
    exposed = exposed_names()
    asked: set[str] = set()
    for title, expression in expressions():
        asked |= names_in(expression)
        assert names_in(expression) - exposed == set(), title
    assert names_in(json.dumps(DASHBOARD["templating"])) - exposed == set()
    unseen = {name for name in exposed - asked if not re.search(r"_(bucket|count|sum)$", name)}
    assert unseen == set(), "metrics that no panel shows"


def test_rates_use_the_rate_interval() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            assert not re.search(r"\brate\([^[]*\[(?!\$__rate_interval\])", target["expr"]), panel["title"]


def test_prometheus_accepts_every_expression(promtool: str, tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": text} for number, (_, text) in enumerate(expressions())]
    assert not [text for _, text in expressions() if "$" in text], "a variable that was not replaced"
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", str(tmp_path / "rules.yaml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_panel_shows_data(promtool: str, tmp_path: Path) -> None:
    """With the series of a busy operator, no expression returns an empty result."""
    own = 'job="coroner",namespace="coroner"'
    team = 'job="coroner",namespace="team-a",workload_kind="Job"'
    series = {
        f'coroner_failures_total{{{team},category="unknown",subcategory="sigkill"}}': "0+1x400",
        f'coroner_failures_total{{{team},category="resources",subcategory="oom-killed"}}': "0+3x400",
        f'coroner_failing_workloads{{{team},category="unknown",subcategory="sigkill",state="Failing"}}': "3x400",
        f'coroner_repeating_workloads{{{team},category="resources",subcategory="oom-killed"}}': "1x400",
        f'coroner_node_failed_workloads{{{own},node="gpu-17"}}': "7x400",
        f'coroner_workloads_ended_total{{{own},outcome="failed"}}': "0+1x400",
        f"coroner_failure_series{{{own}}}": "2x400",
        f"coroner_failure_series_overflow_total{{{own}}}": "0x400",
        f'coroner_report_delay_seconds_bucket{{{own},le="1"}}': "0+4x400",
        f'coroner_report_delay_seconds_bucket{{{own},le="+Inf"}}': "0+4x400",
        f'coroner_api_requests_total{{{own},method="PATCH",code="200"}}': "0+4x400",
        f'coroner_api_request_duration_seconds_bucket{{{own},method="PATCH",le="0.1"}}': "0+4x400",
        f'coroner_api_request_duration_seconds_bucket{{{own},method="PATCH",le="+Inf"}}': "0+4x400",
        f"coroner_retries_total{{{own}}}": "0x400",
        f'coroner_redactions_total{{{own},type="jwt"}}': "0+1x400",
        f'coroner_writes_total{{{own},outcome="written"}}': "0+4x400",
        f'coroner_write_delay_seconds_bucket{{{own},le="0.5"}}': "0+4x400",
        f'coroner_write_delay_seconds_bucket{{{own},le="+Inf"}}': "0+4x400",
        f'coroner_workload_writes_total{{{own},outcome="written"}}': "0+4x400",
        f'coroner_events_total{{{own},outcome="created"}}': "0+4x400",
        f"coroner_leader{{{own}}}": "1x400",
        f"coroner_rules_last_reload_success{{{own}}}": "1x400",
        f"coroner_rules_reload_failures_total{{{own}}}": "0x400",
        f'coroner_reports_deleted_total{{{own},reason="age"}}': "0+1x400",
        f"coroner_queue_length{{{own}}}": "2x400",
        f'coroner_last_event_timestamp_seconds{{{own},kind="pods"}}': "0+60x400",
        f'coroner_watch_restarts_total{{{own},kind="pods",reason="expired"}}': "0+1x400",
        f"coroner_errors_total{{{own}}}": "0x400",
        f'coroner_objects_too_large_total{{{own},kind="events"}}': "0+1x400",
        f'coroner_deferred_total{{{own},reason="no_answer"}}': "0+1x400",
        f'coroner_build_info{{{own},version="1",rules="a"}}': "1x400",
    }
    rules = [{"record": f"panel:{number}", "expr": text} for number, (_, text) in enumerate(expressions())]
    checks = [
        {"expr": f"count(panel:{number}) > bool 0", "eval_time": "399m", "exp_samples": [{"labels": "{}", "value": 1}]}
        for number in range(len(rules))
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": checks}
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [promtool, "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_changed_since_yesterday(promtool: str, tmp_path: Path) -> None:
    """Two days of ten-minute samples: one failure an hour always, three an hour since yesterday, and a new cause."""
    team = 'job="coroner",namespace="team-a",workload_kind="Job",category'
    series = {
        f'coroner_failures_total{{{team}="user-code",subcategory="error-exit"}}': "0+6x288",
        f'coroner_failures_total{{{team}="resources",subcategory="oom-killed"}}': "0+6x144 870+12x144",
        f'coroner_failures_total{{{team}="platform",subcategory="sandbox"}}': "0x144 0+6x144",
    }
    by_title = dict(expressions())
    samples = {
        "Changed since yesterday": {"resources/oom-killed": 858, "platform/sandbox": 858},
        "New since yesterday": {"platform/sandbox": 858},
    }
    checks = [
        {
            "expr": f"round({by_title[title]}, 6)",
            "eval_time": "48h",
            "exp_samples": [
                {"labels": f'{{category="{name.split("/")[0]}",subcategory="{name.split("/")[1]}"}}', "value": value}
                for name, value in found.items()
            ],
        }
        for title, found in samples.items()
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    document = {"rule_files": [], "tests": [{"interval": "10m", "input_series": inputs, "promql_expr_test": checks}]}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [promtool, "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_chart_renders_it_unchanged(either_helm: Helm) -> None:
    """helm and Grafana use the same braces: helm must not evaluate those of Grafana."""
    for case, namespace in (("dashboard", "monitoring"), ("dashboard-labels", "coroner")):
        maps = of_kind(either_helm.render(CASES[case]), "ConfigMap")
        (found,) = (each for each in maps if each["metadata"]["name"] == "coroner-dashboard")
        assert json.loads(found["data"]["coroner.json"]) == DASHBOARD
        assert found["metadata"]["namespace"] == namespace
        assert found["metadata"]["labels"]["grafana_dashboard"]
    assert not [each for each in either_helm.render() if each["metadata"]["name"] == "coroner-dashboard"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel['id']} {panel['title']}")
def test_legends_use_labels_of_the_result(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
            kept = re.findall(r"by \(([^)]*)\)", target["expr"])
            assert not kept or any(label in group for group in kept), label
