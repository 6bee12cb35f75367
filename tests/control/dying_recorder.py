"""A recorder that is killed at a named instant: `python dying_recorder.py INSTANT`. Run by `test_recorder`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import redis
from sqlalchemy import event

from control import recorder
from shared.store.engine import engine


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(instant: str) -> None:
    if instant == "before-commit":
        event.listen(engine(), "commit", die)
    elif instant == "before-deletion":
        redis.Redis.xdel = die  # type: ignore[method-assign]
    recorder.take_in()


if __name__ == "__main__":
    main(sys.argv[1])
