"""A trace as a waterfall: a row for each span, with its bar on an axis of time."""

from __future__ import annotations

from vedette.cli.waterfall.drawing import Waterfall
from vedette.cli.waterfall.look import Look

__all__ = ["Look", "Waterfall"]
