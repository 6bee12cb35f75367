"""Proof that nothing is lost, nothing happens twice and nothing is stuck, whatever dies. `python -m tests.chaos`."""

from tests.chaos import clock

clock.skew()
