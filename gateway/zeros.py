"""Series that are there before anything was counted: of one that appears, Prometheus cannot tell how it grew."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import product

from shared import registry
from shared.contracts.job import TERMINAL, StageName
from shared.contracts.lanes import STAGE_OF
from shared.errors import FailureClass

Labels = tuple[tuple[str, str], ...]  # by name

TASKS = ("sent", "received", "started", "succeeded", "failed", "retried")
CHANNELS = ("mail", "webhook")


@cache
def zeros() -> dict[str, list[Labels]]:
    """Return, by the name of a counter, the labels that its values may have."""
    tasks: list[Labels] = [(("name", f"{stage}.run"), ("queue_name", lane)) for lane, stage in STAGE_OF.items()]
    return {
        "vedette_jobs": _all(kind=registry.kinds(), outcome=TERMINAL),
        "vedette_retries": _all(**{"class": FailureClass, "stage": StageName}),
        "vedette_notifications": _all(channel=CHANNELS, outcome=("sent", "failed")),
        **{f"celery_task_{what}": tasks for what in TASKS},
    }


def _all(**values: Iterable[str]) -> list[Labels]:
    """Return every combination of the values of these labels, which are named in their order."""
    return [tuple(zip(values, map(str, each), strict=True)) for each in product(*values.values())]
