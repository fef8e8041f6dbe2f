"""Metric names: those that the operator exposes, and those that an expression uses."""

import re

from coroner_operator.telemetry.metrics import Metrics

NAME = re.compile(r"\bcoroner_[a-z_]+\b(?!:)")
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def exposed_names() -> set[str]:
    """The names of all samples that the operator can expose, whether they have a value yet or not."""
    families = Metrics("hash").registry.collect()
    return {f"{family.name}{suffix}" for family in families for suffix in SUFFIXES[family.type]}


def names_in(expression: str) -> set[str]:
    return set(NAME.findall(expression))
