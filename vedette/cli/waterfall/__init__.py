"""A trace as a waterfall: a row for each span, with its bar on an axis of time."""

from __future__ import annotations

from vedette.cli.waterfall.drawing import LEAST, Waterfall
from vedette.cli.waterfall.glyphs import suiting

__all__ = ["LEAST", "Waterfall", "suiting"]
