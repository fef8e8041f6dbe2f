"""The package's own patterns are compiled at their first use, so a wrong one would not stop an import: it is found here."""

from __future__ import annotations

import gc
import importlib
import pkgutil

import coroner_categorizer as cc
from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.redaction.rule import Regexp


def test_every_pattern_of_the_package_compiles() -> None:
    for module in pkgutil.walk_packages(cc.__path__, "coroner_categorizer."):
        importlib.import_module(module.name)
    gc.unfreeze()  # a command that a test before this one ran has frozen them: they would not be listed
    patterns = [found for found in gc.get_objects() if type(found) in (LinearRegex, Regexp)]
    assert len(patterns) > 250
    for pattern in patterns:
        pattern.search("" if isinstance(pattern, LinearRegex) else b"")  # raises re2.error if it does not compile
