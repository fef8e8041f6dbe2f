"""Flags override the environment, which overrides the file; every error is one line."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from coroner_operator.__main__ import main
from coroner_operator.cli.run import run
from coroner_operator.config.durations import parse_duration
from coroner_operator.config.presets import presets
from coroner_operator.config.settings import (
    KUBERNETES_GROUPS,
    ListedKind,
    Settings,
    SettingsError,
    load_settings,
    parse_address,
)
from coroner_operator.kube.resources import CLUSTER_SCOPED_KINDS
from embedded_apiserver.kinds.builtin_resources import BUILT_IN


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def test_flags_win_over_the_environment_and_that_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(
        "writers: 2\nlog_format: json\nlog_level: error\ngrace_periods: {image_pull: 1s, unschedulable: 2m}\n"
    )
    monkeypatch.setenv("CORONER_WRITERS", "3")
    monkeypatch.setenv("CORONER_LOG_FORMAT", "text")
    monkeypatch.setenv("CORONER_GRACE_PERIODS__IMAGE_PULL", "5s")
    settings = load_settings({"writers": "5"}, file)
    assert (settings.writers, settings.log_format, settings.log_level) == (5, "text", "error")
    assert (settings.grace_periods.image_pull, settings.grace_periods.unschedulable) == (5, 120)
    assert settings.grace_periods.container_creating == 30


def test_namespaces_are_a_list_in_a_file_and_separated_by_commas_elsewhere(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("namespaces: [a, b]\n")
    assert load_settings({}, file).namespaces == ("a", "b")
    monkeypatch.setenv("CORONER_NAMESPACES", "c, d")
    assert load_settings({}, file).namespaces == ("c", "d")
    assert load_settings({"namespaces": "e"}, file).namespaces == ("e",)


def test_the_environment_of_a_service_called_coroner_is_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("", "_METRICS", "_HEALTH"):
        monkeypatch.setenv(f"CORONER{name}_PORT", "tcp://10.0.0.1:80")
        monkeypatch.setenv(f"CORONER{name}_SERVICE_HOST", "10.0.0.1")
        monkeypatch.setenv(f"CORONER{name}_PORT_80_TCP_ADDR", "10.0.0.1")
    assert load_settings({}) == Settings()


def test_every_error_names_its_setting(file: Path) -> None:
    file.write_text("nope: 1\nlog_format: xml\ngrace_periods: {image_pul: 3s, unschedulable: soon}\nwriters: 0\n")
    with pytest.raises(SettingsError) as caught:
        load_settings({"health_address": "8080"}, file)
    assert sorted(caught.value.errors) == [
        "grace_periods.image_pul: unknown setting",
        "grace_periods.unschedulable: 'soon' is not a duration; write for example 500ms, 10s, 5m, 1h30m or 7d",
        """health_address: '8080' is not host:port; write for example ":8080" or "127.0.0.1:8080\"""",
        "log_format: Input should be 'text' or 'json'",
        "nope: unknown setting",
        "writers: Input should be greater than or equal to 1",
    ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [("- a\n", "expected a mapping of settings"), ("a: [", "not YAML"), (None, "No such file or directory")],
)
def test_a_file_that_cannot_be_used_is_one_line(file: Path, content: str | None, fault: str) -> None:
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        load_settings({}, file)
    assert len(caught.value.errors) == 1
    assert fault in caught.value.errors[0]
    assert "\n" not in caught.value.errors[0]


def test_an_empty_file_sets_nothing(file: Path) -> None:
    file.write_text("")
    assert load_settings({}, file) == Settings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s", 10),
        ("500ms", 0.5),
        ("5m", 300),
        ("2h", 7200),
        ("7d", 604800),
        (3, 3),
        ("0.5", 0.5),
        (" 1 s ", 1),
        ("1h30m", 5400),
        ("1d12h", 129600),
        ("1m0.5s", 60.5),
        ("1.5h", 5400),
    ],
)
def test_durations(text: str, expected: float) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "ten", "-1s", "1w", "1s2", "1s 2s", "1h xx 2m", "1mm", "1y", None, True, [1], float("nan"), "9" * 400 + "d"],
)
def test_what_is_no_duration_is_rejected(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("address", "expected"),
    [(":8080", (None, 8080)), ("127.0.0.1:0", ("127.0.0.1", 0)), ("[::]:9", ("::", 9)), ("", None)],
)
def test_addresses(address: str, expected: object) -> None:
    assert parse_address(address) == expected


@pytest.fixture
def own_logs() -> Iterator[None]:
    """``run`` configures the root logger; afterwards it is restored."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_run_with_errors_prints_them_and_exits_2() -> None:
    result = CliRunner().invoke(main, ["run", "--writers", "many", "--log-level", "loud"])
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "coroner run: writers: Input should be a valid integer, unable to parse string as an integer",
        "coroner run: log_level: Input should be 'debug', 'info', 'warning' or 'error'",
    ]


def test_run_with_wrong_rules_prints_the_errors_and_exits_2(tmp_path: Path, own_logs: None) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("categories: [{name: a, rules: [{onExitCodes: {operator: Is, values: [1]}}]}]\n")
    result = CliRunner().invoke(main, ["run", "--rules", str(rules)])
    assert result.exit_code == 2
    assert all(line.startswith(f"coroner run: {rules}:1: ") for line in result.stderr.splitlines())
    assert "operator" in result.stderr


def test_run_without_a_cluster_exits_2(tmp_path: Path, own_logs: None) -> None:
    result = CliRunner().invoke(main, ["run", "--kubeconfig", str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert result.stderr == f"coroner run: no kubeconfig at {tmp_path / 'nowhere'}\n"


def test_every_setting_has_a_flag_or_is_only_for_the_file() -> None:
    flags = {parameter.name for parameter in run.params}
    only_in_the_file = {
        *("batch_window", "write_interval", "workload_interval", "label_interval", "shutdown_timeout", "grace_periods"),
        *("workloads", "walk", "lease_duration", "renew_deadline", "retry_period"),
        *("metrics_namespaces", "metrics_nodes", "metrics_series", "metrics_scrape_interval"),
    }
    assert Settings.model_fields.keys() - flags == only_in_the_file


def test_listed_kinds_are_custom_and_listed_once(file: Path) -> None:
    file.write_text(
        "workloads: [{group: jobset.x-k8s.io, resource: jobsets}, {group: ray.io, version: v1, resource: rayjobs}]\n"
    )
    assert [(kind.crd, kind.version) for kind in load_settings({}, file).workloads] == [
        ("jobsets.jobset.x-k8s.io", "*"),
        ("rayjobs.ray.io", "v1"),
    ]
    file.write_text(
        "workloads: [{group: batch, resource: jobs}, {group: events.k8s.io, resource: events}, {group: ray.io}]\n"
    )
    with pytest.raises(SettingsError) as caught:
        load_settings({}, file)
    assert [error.partition(":")[0] for error in caught.value.errors] == [
        "workloads.0.group",
        "workloads.1.group",
        "workloads.2.resource",
    ]
    file.write_text(
        "workloads: [{group: ray.io, resource: rayjobs}, {group: ray.io, version: v1, resource: rayjobs}]\n"
    )
    with pytest.raises(SettingsError, match=r"listed more than once: rayjobs\.ray\.io"):
        load_settings({}, file)


def test_listed_kinds_can_be_given_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORONER_WORKLOADS", '[{"group": "ray.io", "resource": "rayjobs"}]')
    assert load_settings({}).workloads[0].crd == "rayjobs.ray.io"


def test_presets_list_kinds_and_what_is_listed_itself_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORONER_PRESETS", "jobset, ray,jobset")
    monkeypatch.setenv("CORONER_WALK", '[{"group": "ray.io", "resource": "rayclusters"}]')
    settings = load_settings({})
    assert settings.presets == ("jobset", "ray")
    assert [(kind.crd, kind.write) for kind in settings.all_workloads] == [
        ("jobsets.jobset.x-k8s.io", True),
        ("rayjobs.ray.io", False),
        ("rayservices.ray.io", True),
    ]
    assert [kind.crd for kind in settings.all_walked] == ["rayclusters.ray.io", "raycronjobs.ray.io"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("presets: [jobset, jobsets]", f"presets: unknown: jobsets; there are {', '.join(presets())}"),
        ("presets: 'ray,x,y'", f"presets: unknown: x, y; there are {', '.join(presets())}"),
        (
            "{workloads: [{group: ray.io, resource: rayjobs}], walk: [{group: ray.io, resource: rayjobs}]}",
            "walk: listed more than once: rayjobs.ray.io; a kind has one stored version",
        ),
        ("walk: [{group: ray.io, resource: rayjobs, write: true}]", "walk.0.write: unknown setting"),
        (
            "walk: [{group: metrics.k8s.io, resource: pods}]",
            "walk.0.group: metrics.k8s.io is a group of Kubernetes itself: the status of its kinds belongs to their controllers",
        ),
    ],
)
def test_wrong_kinds_and_presets_are_one_line_each(file: Path, text: str, error: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings({}, file)
    assert caught.value.errors == (error,)


@pytest.mark.parametrize("group", ["sparkoperator.k8s.io", "jobset.x-k8s.io", "kueue.x-k8s.io", "cluster.x-k8s.io"])
def test_a_projects_group_is_none_of_kubernetes_itself(group: str) -> None:
    assert ListedKind(group=group, resource="things").group == group


def test_every_group_of_kubernetes_that_is_known_elsewhere_is_rejected() -> None:
    known = {group for group, _ in CLUSTER_SCOPED_KINDS} | {resource.group for resource in BUILT_IN}
    assert {group for group in known if "." in group} <= KUBERNETES_GROUPS


@pytest.mark.parametrize(
    ("setting", "value"),
    [("namespaces", "ml,../kube-system"), ("namespaces", "ML"), ("lease_name", "a/b"), ("lease_namespace", "a.b")],
)
def test_what_can_be_no_name_in_kubernetes_is_rejected(setting: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({setting: value})
    assert [error.partition(":")[0].partition(".")[0] for error in caught.value.errors] == [setting]
