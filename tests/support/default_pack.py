"""The default pack, compiled once for all tests of a process."""

import coroner_categorizer as cc

CATEGORIZER = cc.default()
