"""Everything, in full size, on SQLite and PostgreSQL; prints tables and a summary. Half an hour on two cores.

`python -m tests.chaos [--only NAME …] [--database sqlite|postgres]`. Ends with 1 when a promise was not kept.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.contracts.job import StageName
from tests.chaos import faults, hostile, kills, lease, lethal, letters, storm, submission, verdict
from tests.chaos.cells import CELLS, Who
from tests.chaos.stack import CONTROL, GATEWAY, STAGES, Stack, stack

DATABASES = ("sqlite", "postgres")
Row = tuple[Sequence[object], list[str]]  # the columns, and what is wrong


@dataclass(frozen=True)
class Section:
    """columns: their titles and widths."""

    title: str
    columns: Sequence[tuple[str, int]]
    run: Callable[[str], Iterator[Row]]
    databases: Sequence[str] = DATABASES


@dataclass
class Tally:
    """What was tried, and what did not hold."""

    tried: int = 0
    wrong: list[str] = field(default_factory=list)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers and workers are ended too
    parser = argparse.ArgumentParser(prog="make chaos ARGS=…", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="NAME")
    parser.add_argument("--database", choices=DATABASES, nargs="+", default=DATABASES)
    asked = parser.parse_args()
    tally, started = Tally(), time.monotonic()
    for name in asked.only:
        section = SECTIONS[name]
        for sort in [sort for sort in section.databases if sort in asked.database or len(section.databases) == 1]:
            _print_section(name, section, sort, tally)
    _say(f"\n{tally.tried} cases in {(time.monotonic() - started) / 60:.1f} min, {len(tally.wrong)} not as promised")
    for line in tally.wrong:
        _say(f"  {line}")
    return 1 if tally.wrong else 0


def _print_section(name: str, section: Section, sort: str, tally: Tally) -> None:
    _say(f"\n{section.title} ({sort})")
    _say("  ".join(f"{title:<{width}}" for title, width in section.columns) + "  result")
    started = time.monotonic()
    try:
        for cells, wrong in section.run(sort):
            tally.tried += 1
            tally.wrong += [f"{name} {sort} {' '.join(map(_text, cells))}: {one}" for one in wrong]
            line = "  ".join(f"{_text(cell):<{width}}" for cell, (_, width) in zip(cells, section.columns, strict=True))
            _say(f"{line}  {'; '.join(wrong) or 'ok'}")
    except Exception as exc:  # noqa: BLE001  the other sections are still to be seen
        tally.wrong.append(f"{name} {sort}: {type(exc).__name__}: {exc}")
        _say(f"broken off: {exc}")
    _say(f"{time.monotonic() - started:.0f} s")


def _kills(sort: str) -> Iterator[Row]:
    with _running(sort) as made:
        for result in kills.run(made, CELLS):
            cell = result.cell
            yield (cell.stage, cell.instant, cell.who, result.seconds, result.deliveries), result.faults


def _faults(sort: str) -> Iterator[Row]:
    with _running(sort, "scan2", "process2") as made:
        expected = verdict.reference(made)
        every = [*faults.redis_faults(freeze_s=30.0, away_s=20.0, full_s=15.0), *faults.database_faults(away_s=20.0)]
        for fault in every:
            result = faults.run(made, fault, expected)
            yield (result.name, result.span_s, result.seconds, result.jobs, result.scans), result.faults


def _leases(sort: str) -> Iterator[Row]:
    with _running(sort, "scan2", "process2") as made:
        expected = verdict.reference(made)
        for _ in range(5):
            yield _measured(lease.again_after_kill(made, expected))
        yield _measured(lease.orphan(made, expected, 25.0))
        yield _measured(lease.second_message(made, expected, 25.0))
        yield _measured(lease.wrong_clock(made, expected, 20.0))
    with _running(sort, "scan2", lease_s="20") as made:
        yield _measured(lease.long_task(made, verdict.reference(made), 60.0))


def _measured(result: lease.Result) -> Row:
    return (result.name, result.seconds), result.faults


def _submission(sort: str) -> Iterator[Row]:
    with _running(sort) as made:
        result = submission.run(made, verdict.reference(made))
        yield (result.seconds,), result.faults


def _storm(sort: str) -> Iterator[Row]:
    with _running(sort) as made:
        result = storm.run(made, 500, storm.Plan(), verdict.reference(made))
        shown = [" ".join(f"{count} {name}" for name, count in each.items()) for each in (result.kills, result.states)]
        yield (result.jobs, result.seconds, *shown, result.told, result.gaps, result.deliveries), result.faults


def _hostile(sort: str) -> Iterator[Row]:
    with _running(sort) as made:
        for result in hostile.run(made, verdict.reference(made)):
            yield (result.queue, result.messages, sum(result.letters.values())), result.faults


def _letters(sort: str) -> Iterator[Row]:
    with stack(sort) as made:
        for result in letters.run(made, 10_000):
            yield (result.name, result.value, result.unit), result.faults


def _resumed(sort: str) -> Iterator[Row]:
    with _running(sort, GATEWAY) as made:
        verdict.reference(made)  # a replay is refused while no worker is known
        for stage in (StageName.SCAN, StageName.PROCESS, StageName.REPORT):
            result = letters.resumed(made, stage)
            yield (result.name, result.value), result.faults
        result = letters.interrupted(made, 200, 3)
        yield (result.name, result.value), result.faults


def _lethal(sort: str) -> Iterator[Row]:
    with _running(sort, GATEWAY) as made:
        expected = verdict.reference(made)
        for who in (Who.CHILD, Who.WORKER):
            poisoned = lethal.poison(made, who, expected)
            yield (poisoned.name, poisoned.seconds), poisoned.faults
        cancelled = lethal.cancelled(made)
        yield (cancelled.name, cancelled.seconds), cancelled.faults


@contextmanager
def _running(sort: str, *more: str, **chosen: str) -> Iterator[Stack]:
    """A stack with its workers and `control`, and more members where they are named."""
    with stack(sort, **chosen) as made:
        made.start(*STAGES, *more, CONTROL)
        yield made


SECTIONS = {
    "kills": Section(
        "SIGKILL at every instant of every stage",
        [("stage", 8), ("instant", 29), ("who", 6), ("s to end", 8), ("deliveries", 10)],
        _kills,
    ),
    "faults": Section(
        "Redis and the database fail under running jobs",
        [("fault", 40), ("for s", 6), ("s to end", 8), ("jobs", 4), ("scans", 5)],
        _faults,
    ),
    "leases": Section("What leases promise", [("case", 48), ("s", 6)], _leases),
    "submission": Section("The gateway is killed between commit and publication", [("s to end", 8)], _submission),
    "storm": Section(
        "A worker, a child or control killed every 2 s, Redis killed twice",
        [("jobs", 5), ("s", 6), ("kills", 28), ("states", 28), ("told", 5), ("gaps", 5), ("deliveries", 10)],
        _storm,
    ),
    "hostile": Section(
        "Hostile messages of every sort in every queue",
        [("queue", 16), ("messages", 8), ("dead letters", 12)],
        _hostile,
    ),
    "letters": Section("10,000 dead letters", [("case", 48), ("value", 8), ("unit", 10)], _letters),
    "resumed": Section("Replayed where it failed", [("case", 40), ("s", 6)], _resumed),
    "lethal": Section("Jobs that kill, and one that is cancelled", [("case", 48), ("s", 6)], _lethal),
}


def _text(cell: object) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.0f}" if cell >= 100 else f"{cell:.2f}" if cell < 1 else f"{cell:.1f}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
