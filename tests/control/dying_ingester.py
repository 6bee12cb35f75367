"""An ingester that is killed at a named instant: `python dying_ingester.py INSTANT`. Run by `test_ingester`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import redis
from sqlalchemy import event

from control import ingester
from shared import bus
from shared.pipeline import hurry
from shared.store.engine import engine


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(instant: str) -> None:
    hurry()
    if instant == "before-commit":
        event.listen(engine(), "commit", die)
    elif instant == "after-commit":
        bus.publish = die
    elif instant == "before-deletion":
        redis.Redis.xdel = die  # type: ignore[method-assign]
    ingester.ingest_once()


if __name__ == "__main__":
    main(sys.argv[1])
