"""Every value is described, validated, and has an effect; typos are rejected."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from coroner_operator.config.durations import parse_duration
from coroner_operator.config.rules_files import RuleFiles
from coroner_operator.config.settings import GracePeriods, Settings, load_settings
from tests.chart.cases import CASES, JOBSET
from tests.chart.charts import CHART, MONITORING, Helm, HelmError, of_kind, only, settings_of
from tools import chart as chart_tool

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
DECIDED_BY_THE_CHART = {
    "namespaces",
    "kubeconfig",
    "rules",
    "redaction",
    "identity",
    "workloads",
    "walk",
    "presets",
    "health_address",
    "metrics_address",
    "leader_election",
    "lease_name",
    "lease_namespace",
}


def paths(values: Mapping[str, Any], schema: Mapping[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all values whose names the chart defines: the schema lists the properties above them."""
    for name, value in values.items():
        below = schema["properties"][name]
        if "properties" in below and value:
            yield from paths(value, below, (*at, name))
        else:
            yield (*at, name)


LEAVES = list(paths(VALUES, SCHEMA))


def test_the_readme_is_up_to_date() -> None:
    """`make chart` writes its tables."""
    assert chart_tool.out_of_date() == []


def test_every_value_is_described() -> None:
    described = {value.path for value in chart_tool.described_values((CHART / "values.yaml").read_text())}
    undescribed = [path for path in LEAVES if not any(path[: len(above)] == above for above in described)]
    assert undescribed == []


def test_the_schema_is_a_valid_json_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"].startswith("http://json-schema.org/draft-07/"), "Helm 3.17 does not support a newer draft"


def test_the_schema_lists_the_same_values() -> None:
    def names(schema: Mapping[str, Any], values: Any, at: str = "") -> list[str]:
        if "properties" not in schema or not values:
            return []
        assert schema["additionalProperties"] is False, f"{at or 'the top level'} accepts any name"
        missing = [f"{at}.{name}" for name in schema["properties"].keys() ^ values.keys()]
        return missing + [
            each
            for name, below in schema["properties"].items()
            for each in names(below, values.get(name), f"{at}.{name}")
        ]

    assert names(SCHEMA, VALUES) == []


def merged(below: Any, above: Any) -> Any:
    """Merges values as helm does: maps are merged, null removes a key."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    both = {**below, **{name: merged(below.get(name), value) for name, value in above.items()}}
    return {name: value for name, value in both.items() if value is not None}


def test_the_defaults_and_every_case_conform_to_the_schema() -> None:
    for values in CASES.values():
        jsonschema.validate(merged(VALUES, values), SCHEMA)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "typo at the top": ({"replicas": 2}, "replicas"),
    "typo below": ({"crds": {"install": True}}, "install"),
    "typo in a setting": ({"config": {"log_levle": "debug"}}, "log_levle"),
    "setting's value": ({"config": {"log_level": "verbose"}}, "log_level"),
    "duration": ({"config": {"retention": "a week"}}, "retention"),
    "setting that the chart decides": ({"config": {"metrics_address": ":1"}}, "metrics_address"),
    "text for a number": ({"replicaCount": "two"}, "replicaCount"),
    "digest": ({"image": {"digest": "sha256:1"}}, "digest"),
    "privileged port": ({"ports": {"health": 80}}, "health"),
    "render mode": ({"serviceMonitor": {"renderMode": "sometimes"}}, "renderMode"),
    "namespace": ({"watchNamespaces": ["Team_A"]}, "watchNamespaces"),
    "namespace twice": ({"watchNamespaces": ["a", "a"]}, "watchNamespaces"),
    "workload of Kubernetes itself": (
        {"workloads": [{"group": "batch", "version": "v1", "resource": "jobs"}]},
        "group",
    ),
    "workload of a Kubernetes group": (
        {"workloads": [{"group": "networking.k8s.io", "version": "v1", "resource": "ingresses"}]},
        "group",
    ),
    "preset": ({"presets": ["jobsets"]}, "presets"),
    "workload's kind for its resource": ({"workloads": [{**JOBSET, "resource": "JobSet"}]}, "resource"),
    "all resources": ({"workloads": [{**JOBSET, "resource": "*"}]}, "resource"),
    "alert": ({"prometheusRule": {"alerts": {"absent": {"for": "soon"}}}}, "for"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_invalid_value_is_rejected_by_name(either_helm: Helm, case: str) -> None:
    values, name = REFUSED[case]
    with pytest.raises(HelmError, match=name):
        either_helm.render(values)


COMBINATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "replicas without election": (
        {"replicaCount": 2, "leaderElection": {"enabled": False}},
        "enable leader election",
    ),
    "both monitors": ({"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}, "enable only one"),
    "rules twice": ({"rules": "a: 1", "existingRulesConfigMap": "x"}, "set only one"),
    "both sides of a budget": (
        {"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": 0}},
        "minAvailable and .maxUnavailable are both set; set only one",
    ),
    "all replicas at once": (
        {"replicaCount": 2, "leaderElection": {"enabled": True}, "strategy": {"type": "Recreate"}},
        "use RollingUpdate",
    ),
    "killed while writing": ({"config": {"shutdown_timeout": "30s"}}, "must be greater than"),
    "one port for two": ({"ports": {"health": 8080, "metrics": 8080}}, "are the same"),
}


@pytest.mark.parametrize("case", COMBINATIONS)
def test_an_invalid_combination_is_rejected_with_a_remedy(either_helm: Helm, case: str) -> None:
    values, words = COMBINATIONS[case]
    with pytest.raises(HelmError, match=words):
        either_helm.render(values)


# Values that deliberately have no effect.
WITHOUT_EFFECT = {("global",)}


def other(path: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The cases that set this path to another value than its default."""
    for values in CASES.values():
        found: Any = values
        for name in path:
            found = found.get(name, {}) if isinstance(found, dict) else {}
        default: Any = VALUES
        for name in path:
            default = default[name]
        if found not in ({}, default):
            yield values


def without(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(values))
    inner = copy
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return copy


# Values that only take effect in one case (tests/chart/test_alerts.py tests each alone).
@pytest.mark.parametrize("path", [p for p in LEAVES if p[:2] != ("prometheusRule", "alerts")], ids=".".join)
def test_every_value_has_an_effect(helm: Helm, path: tuple[str, ...]) -> None:
    if path in WITHOUT_EFFECT:
        return
    settings = list(other(path))
    assert settings, f"no case of tests/chart/cases.py sets {'.'.join(path)}"

    def shown(values: dict[str, Any]) -> str | None:
        try:
            return helm.text(values, apis=() if path[-1] == "renderMode" else MONITORING)
        except HelmError:
            return None

    assert any(shown(values) != shown(without(values, path)) for values in settings)


def test_config_has_every_setting_with_its_default() -> None:
    config = SCHEMA["properties"]["config"]["properties"]
    assert set(config) | DECIDED_BY_THE_CHART >= set(Settings.model_fields), "a setting without a value in the chart"
    assert set(config) <= set(Settings.model_fields) - DECIDED_BY_THE_CHART, "a value without a setting"
    assert set(config["grace_periods"]["properties"]) == set(GracePeriods.model_fields)
    stated: dict[str, Any] = {name: entry["default"] for name, entry in config.items() if "default" in entry}
    stated["grace_periods"] = {name: entry["default"] for name, entry in config["grace_periods"]["properties"].items()}
    assert Settings(**stated) == Settings(), "a default in values.schema.json differs from that of the operator"


@pytest.mark.parametrize("case", CASES)
def test_the_operator_accepts_the_settings_that_the_chart_renders(helm: Helm, case: str, tmp_path: Any) -> None:
    written = settings_of(helm.render(CASES[case], apis=MONITORING))
    file = tmp_path / "coroner.yaml"
    file.write_text(yaml.safe_dump(written))
    settings = load_settings({}, file)
    assert settings.leader_election == (case != "no-election")
    assert (settings.lease_name, settings.lease_namespace) in {("coroner", "coroner"), ("one", "coroner")} or case in (
        "no-election", "names", "fullname"
    )  # fmt: skip
    assert settings.namespaces == tuple(CASES[case].get("watchNamespaces", ()))
    wanted = CASES[case].get("config", {})
    assert settings.writers == wanted.get("writers", 4)


def test_numbers_are_rendered_as_they_were_given(either_helm: Helm) -> None:
    """helm parses numbers as floats; a week in seconds must not become 6.048e+05."""
    text = either_helm.text({"config": {"retention": 1209600}, "replicaCount": 1})
    assert re.search(r"retention: 1209600$", text, re.MULTILINE)


def test_rules_are_rendered_unchanged(either_helm: Helm) -> None:
    import coroner_categorizer

    text = 'apiVersion: coroner.dev/v1alpha1\nkind: Categorizer\n# why: a\\b "{{ x }}"\nextends: default\n'
    for rules in (text, CASES["rules"]["rules"]):
        maps = {
            each["metadata"]["name"]: each
            for each in either_helm.render({"rules": rules})
            if each["kind"] == "ConfigMap"
        }
        arrived = maps["coroner-rules"]["data"]["rules.yaml"]
        assert yaml.safe_load(arrived) == (yaml.safe_load(rules) if isinstance(rules, str) else rules)
        coroner_categorizer.load(arrived)
    assert settings_of(either_helm.render({"rules": text}))["rules"] == "/etc/coroner/rules/rules.yaml"


def test_the_operator_loads_the_redaction_patterns_that_the_chart_renders(either_helm: Helm, tmp_path: Path) -> None:
    objects = either_helm.render(CASES["redaction"])
    maps = {each["metadata"]["name"]: each for each in of_kind(objects, "ConfigMap")}
    file = tmp_path / "redaction.yaml"
    file.write_text(maps["coroner-redaction"]["data"]["redaction.yaml"])
    categorizer = RuleFiles(None, file).read().compile()
    assert "123456" not in categorizer.redactor.redact("badge-123456 was refused")
    container = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert settings_of(objects)["redaction"] == f"{mounts['redaction']}/redaction.yaml"


DURATIONS = [
    "10s",
    "500ms",
    "1h30m",
    "1d12h",
    "1.5h",
    "1m0.5s",
    "0",
    "30",
    "0.5",
    "",
    "ten",
    "-1s",
    "1w",
    "1s2",
    "1mm",
    "1s 2s",
    "1h x 2m",
]


@pytest.mark.parametrize("text", DURATIONS)
def test_the_schema_accepts_the_durations_that_the_operator_does(text: str) -> None:
    config = SCHEMA["properties"]["config"]["properties"]
    patterns = {entry["pattern"] for entry in config.values() if "d)" in str(entry.get("pattern"))}
    patterns |= {entry["pattern"] for entry in config["grace_periods"]["properties"].values()}
    (pattern,) = patterns
    try:
        parse_duration(text)
    except ValueError:
        assert not re.search(pattern, text)
    else:
        assert re.search(pattern, text)
