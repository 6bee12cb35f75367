"""`vedette workers`: who works, on what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.cli import words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.group import group
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.contracts.queues import WorkerView

app = group("workers", "See who works, on what.", "vedette workers list")
COLUMNS = ("hostname", "service", "pid", "busy", "concurrency", "queues", "seen_at")
NONE = "No worker says that it lives. Start the stack: vedette up --detach"


@app.command("list", epilog=examples("vedette workers list", "vedette workers list -o json --fields hostname,active"))
@command
def list_(session: Session) -> int:
    """List the workers that live, and what each has in its hands."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.workers()
    if session.is_table and found:
        _show(session, found)
    elif session.output == "id":
        for worker in found:
            print(words.line(worker.hostname))
    else:
        output.records(session, found, COLUMNS, empty=NONE)
    return Exit.OK


def _show(session: Session, workers: Sequence[WorkerView]) -> None:
    from rich.text import Text  # noqa: PLC0415

    from shared.ids import now  # noqa: PLC0415
    from vedette.cli import grid, live  # noqa: PLC0415

    console = session.console()
    signs = words.marks(console.file)
    rows = []
    for worker in sorted(workers, key=lambda each: each.hostname):
        jobs = ", ".join(words.short(task.job_id) for task in worker.active if task.job_id)
        load = live.bar(worker.busy, worker.concurrency, signs, width=6)
        up_s = (now() - worker.started_at).total_seconds()
        rows.append(
            [
                Text(words.line(worker.hostname)),
                load.append(f" {worker.busy}/{worker.concurrency}"),
                Text(words.age(up_s), "dim"),
                Text(jobs, "cyan"),
                Text(words.line(", ".join(worker.queues))),
            ]
        )
    grid.show(console, ("worker", "busy", "up", "jobs", "queues"), rows, numbers=("up",), last="wrap")
