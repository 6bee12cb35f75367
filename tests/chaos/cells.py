"""Where and whom: every named instant of every stage, for the child and for the worker."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from shared.contracts.job import StageName


class Instant(StrEnum):
    CLAIMED = "after claim"
    TAKEN = "before effect"
    DONE = "after effect, before commit"
    COMMITTED = "after commit, before publish"
    PUBLISHED = "after publish, before ack"


class Who(StrEnum):
    CHILD = "child"  # the process of the pool that runs the task
    WORKER = "worker"  # the parent with all its children
    PARENT = "parent"  # the parent alone: its children are orphans, and one of them still runs the task


@dataclass(frozen=True)
class Cell:
    stage: StageName
    instant: Instant
    who: Who


CELLS = tuple(Cell(*one) for one in product(StageName, Instant, (Who.CHILD, Who.WORKER)))
