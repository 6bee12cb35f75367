"""This machine as a scan may reach it in tests."""

from __future__ import annotations

from shared.egress import destination
from shared.policy import Reach

EVERYWHERE = Reach(private=True)
HERE = destination("127.0.0.1", EVERYWHERE)
