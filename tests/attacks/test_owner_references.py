"""Owner references name whatever their author wants (F3, F4, F5, F9, F11, F13)."""

from __future__ import annotations
