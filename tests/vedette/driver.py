"""Carries out the jobs of a store, one after the other: the real stages inside their real layers, without a broker.

The tag `do` of a job says what else happens: `hold` leaves it alone and `slow` makes the scan report progress, both
until the file RELEASE is there; `fail` fails the scan; `partial` fails one report of two.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from control import operations
from services.notify import tasks as notify
from services.process import tasks as process
from services.report import tasks as report
from services.scan import tasks as scan
from shared import registry
from shared.contracts.envelope import Envelope
from shared.contracts.job import JobState, Progress, StageName
from shared.dlq import StageFailed
from shared.errors import Permanent
from shared.ids import now
from shared.layers import around
from shared.layers.delivery import Delivery
from shared.store import jobs, outbox, plugins, repairs
from shared.store.engine import reading, writing


class Broken(Permanent):
    """What the test asked for."""


def announce() -> None:
    with writing() as connection:
        for folder in ("formats", "channels"):
            package = {"formats": "services.report.formats", "channels": "shared.notification.channels"}[folder]
            names = {"email": "mailto", "webhook": "https"}
            plugins.announce(connection, folder, [names.get(name, name) for name in registry.names(package)])


def carry_out(job_id: str, do: str, release: Path) -> None:
    with reading() as connection:
        envelope, _ = outbox.envelope(connection, job_id)
    message = envelope.model_dump(mode="json")
    if do == "fail":
        _fail(envelope)
        notify.run.apply(args=(message,), throw=True)
        return
    if do == "slow":
        _slow_scan(envelope, release)
    else:
        scan.run.apply(args=(message,), throw=True)
    process.run.apply(args=(message,), throw=True)
    if do == "partial":
        _half_a_report(envelope)
    else:
        report.run.apply(args=(message,), throw=True)
    notify.run.apply(args=(message,), throw=True)


def _fail(envelope: Envelope) -> None:
    try:
        with around(StageName.SCAN, envelope, Delivery("driver", 0, 60.0)):
            raise Broken("The host \x1b[31mis\x1b[0m on fire.", cure="Call the fire brigade.")
    except StageFailed:
        return


def _slow_scan(envelope: Envelope, release: Path) -> None:
    scanner = registry.plugin("services.scan.kinds", envelope.kind)
    assert scanner
    with around(StageName.SCAN, envelope, Delivery("driver", 0, 60.0)) as step:
        done = 0
        while not release.exists():
            done = min(done + 1, 90)
            step.progress(Progress(done=done, total=100, unit="ports", current_group="critical", group_size=39))
            time.sleep(0.05)
        step.summary = "100 ports · 0 open"


def _half_a_report(envelope: Envelope) -> None:
    with around(StageName.REPORT, envelope, Delivery("driver", 0, 60.0)) as step:
        with step.part("html") as part:
            part.summary = "1 byte"
        with step.part("json"):
            raise Broken("The printer has no paper.")


def main(release: Path) -> None:
    announce()
    threading.Thread(target=operations.run, args=(threading.Event(),), daemon=True).start()
    while True:
        with reading() as connection:
            found = jobs.page(connection, "local", limit=50, state=JobState.QUEUED)
        for job in reversed(found):
            do = job.tags.get("do", "")
            if do != "hold" or release.exists():
                carry_out(job.id, do, release)
        make_ordered()
        time.sleep(0.02)


def make_ordered() -> None:
    with reading() as connection:
        ordered = [turn for turn in repairs.turns(connection, now()) if turn.part]
        envelopes = {turn.job_id: outbox.envelope(connection, turn.job_id)[0] for turn in ordered}
    for turn in ordered:
        envelope = envelopes[turn.job_id].model_copy(update={"part": turn.part, "deadline_at": None})
        report.run.apply(args=(envelope.model_dump(mode="json"),), throw=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
