"""`python -m control`: the loops without a queue, run by one leader. A second process stands by and takes over.

The heart-beat is withheld while a loop hangs, so that whoever watches it starts this process again.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Sequence

import structlog

from control import alerts, ingester, operations, places, reconciler, recorder, rollups
from control.leader import Leader
from control.loop import Loop, Run
from shared import heartbeat, keyring, recording, telemetry
from shared.broker.client import client
from shared.errors import VedetteError
from shared.notification import notices
from shared.pipeline import hurry
from shared.settings import settings
from shared.store.engine import engine

log = structlog.get_logger()

NAME = "control"
LOOPS: dict[str, Run] = {
    "ingester": ingester.run,
    "reconciler": reconciler.run,
    "operations": operations.run,
    "places": places.run,
    "recorder": recorder.run,
    "rollups": rollups.run,
    "alerts": alerts.run,
    "notices": notices.run,
}
END_S = 10.0  # for a loop to end what it is at


def main() -> int:
    """Run until SIGTERM or SIGINT. Returns 78 without a master key.

    Returns 1 when a loop of a lost term does not end: two leaders must not be.
    """
    telemetry.start(NAME, settings())
    try:
        keyring.require()
    except VedetteError as exc:
        sys.stderr.write(f"vedette control: {exc.message} {exc.cure}\n")
        return keyring.MISCONFIGURED
    recorded = recording.begin(NAME, recording.FLUSH_EVERY_S)
    hurry()
    engine()  # made once: loops that each make their own at the same moment would leave one behind
    gc.freeze()  # what is there by now stays: looking through it for garbage takes longer than taking records in
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    leader = Leader(client())
    loops = [Loop(name, run) for name, run in LOOPS.items()]
    try:
        return _serve(stop, leader, loops)
    finally:
        _end(loops)
        leader.resign()
        recorded.end()


def _serve(stop: threading.Event, leader: Leader, loops: Sequence[Loop]) -> int:
    led = False
    while True:
        leads = leader.campaign()
        if leads and not led:
            log.info("control.leader.elected", token=leader.token)
            for loop in loops:
                loop.start()
        elif led and not leads:
            log.warning("control.leader.deposed", token=leader.token)
            if not _end(loops):
                return 1
        led = leads
        if hanging := [loop.name for loop in loops if led and not loop.is_well]:
            log.error("control.loop.hangs", loops=hanging)
        else:
            heartbeat.beat(NAME)
        if stop.wait(heartbeat.EVERY_S):
            return 0


def _end(loops: Sequence[Loop]) -> bool:
    for loop in loops:
        loop.ask_to_end()
    return all(loop.has_ended(END_S) for loop in loops)


if __name__ == "__main__":
    sys.exit(main())
