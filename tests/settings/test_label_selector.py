"""The label selector of a setting: what it selects, and what is said about one that is wrong."""

from __future__ import annotations

import pytest

from coroner_operator.config.label_selector import LabelSelector, parse_selector
from coroner_operator.config.settings import SettingsError, load_settings

ML = {"team": "ml", "tier": "gold", "example.com/gpu": "", "priority": "7"}

SELECTED = {
    "": True,
    "team=ml": True,
    "team==ml": True,
    " team = ml , tier in ( gold , silver ) ": True,
    "team=web": False,
    "team!=ml": False,
    "owner!=ml": True,
    "tier in (silver)": False,
    "tier in (gold)": True,
    "owner in (ml)": False,
    "tier notin (dev,test)": True,
    "owner notin (ml)": True,
    "tier notin (gold)": False,
    "example.com/gpu": True,
    "example.com/gpu=": True,
    "owner": False,
    "!owner": True,
    "!team": False,
    "priority>5": True,
    "priority<5": False,
    "team>5": False,
    "owner<5": False,
    "in=x": False,
}


@pytest.mark.parametrize(("text", "selected"), SELECTED.items())
def test_it_selects_as_kubectl_does(text: str, selected: bool) -> None:
    assert parse_selector(text).matches(ML) is selected


def test_without_requirements_everything_is_selected() -> None:
    assert parse_selector("  ") == LabelSelector()
    assert LabelSelector().matches({})


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("team=ml web", "'team=ml web'"),
        ("team ml", "'team ml'"),
        ("team=ml,", "''"),
        ("tier in gold", "'tier in gold'"),
        ("tier in (gold", "'tier in (gold'"),
        ("-team=ml", "'-team=ml'"),
        ("team=-ml", "'-ml' cannot be the value of a label"),
        ("team=" + "x" * 64, "cannot be the value of a label"),
        ("tier in (a b)", "'a b' cannot be the value of a label"),
        ("Example.com/gpu=1", "'Example.com/gpu=1'"),
        ("priority>high", "needs an integer"),
        ("team=(ml)", "'team=(ml)'"),
    ],
)
def test_a_mistake_is_named_in_one_line(text: str, wrong: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"pod_selector": text})
    (line,) = caught.value.errors
    assert line.startswith("pod_selector: ")
    assert wrong in line


def test_a_namespace_is_watched_or_excluded() -> None:
    assert load_settings({"excluded_namespaces": "kube-system, istio"}).excluded_namespaces == ("kube-system", "istio")
    with pytest.raises(SettingsError) as caught:
        load_settings({"namespaces": "a,b", "excluded_namespaces": "b"})
    assert caught.value.errors == ("excluded_namespaces: also in namespaces: b",)
