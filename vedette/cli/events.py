"""`vedette events`: what happens now, line by line, across restarts of the gateway."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import output, recall, words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from shared.contracts.job import JobView
    from shared.contracts.live import Happened, JobsNow, LiveMessage, SystemNow
    from shared.contracts.queues import QueueList

Topics = Annotated[str, typer.Option(metavar="NAMES", help="jobs, job:ID, queues, system; several with commas.")]
Since = Annotated[int | None, typer.Option(metavar="N", min=0, help="Begin after event number N instead of now.")]
Count = Annotated[int | None, typer.Option(metavar="N", min=1, help="End after so many messages.")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "vedette events",
            "vedette events --topics jobs,queues -o jsonl",
            "vedette events --topics job:@last --since 0",
        )
    )(events)


@command
def events(session: Session, topics: Topics = "jobs", since: Since = None, count: Count = None) -> int:
    """Follow what happens, until Ctrl-C. Nothing is lost where the connection breaks, and nothing comes twice."""
    if session.output not in {"table", "jsonl"}:
        raise Misused(f"What never ends cannot be {session.output}.", cure="Use -o jsonl, or none.")
    wanted = [_topic(each.strip()) for each in topics.split(",") if each.strip()]
    with session.gateway() as link:
        for number, message in enumerate(link.client.live.follow(wanted, since, note=session.note), 1):
            _show(session, message)
            if number == count:
                break
    return Exit.OK


def _topic(given: str) -> str:
    kind, colon, piece = given.partition(":")
    return f"job:{recall.resolve(piece)}" if (kind, colon) == ("job", ":") else given


def _show(session: Session, message: LiveMessage) -> None:
    if session.output == "jsonl" or session.fields:
        output.record(replace(session, output="jsonl"), message)
    else:
        print(words.fitting("\n".join(_lines(message)), words.marks(sys.stdout)))
    sys.stdout.flush()


def _lines(message: LiveMessage) -> list[str]:
    """Return a message as people read it."""
    from shared.contracts import live  # noqa: PLC0415

    told = message.root
    if isinstance(told, live.Happened):
        return [_event(told)]
    if isinstance(told, live.Reset):
        return ["reset     the log no longer tells what came before; this is how it is now:"]
    if isinstance(told, live.Snapshot | live.Changed):
        return [f"{told.type:9} {words.line(line)}" for line in _state(told.data)]
    return [f"{told.type:9} {words.line(message.model_dump_json())}"]


def _event(told: Happened) -> str:
    event = told.event
    facts = " ".join(f"{name}={value}" for name, value in event.data.items() if not isinstance(value, dict | list))
    step = "/".join(filter(None, (event.stage, event.part)))
    number = str(told.id or "")
    line = f"{number:9} {event.at:%H:%M:%S} {words.short(event.job_id)} {event.type:18} {step:16} {facts}"
    return words.harmless(line.replace("\n", " ")).rstrip()


def _state(data: JobsNow | JobView | QueueList | SystemNow) -> list[str]:
    from shared.contracts import live  # noqa: PLC0415
    from shared.contracts.job import JobView  # noqa: PLC0415

    if isinstance(data, live.JobsNow):
        return [f"jobs: {data.running} running, {data.waiting} waiting"]
    if isinstance(data, JobView):
        return [f"job {words.short(data.id)} {data.kind} {data.target}: {data.state}"]
    if isinstance(data, live.SystemNow):
        crew = ", ".join(f"{name} {each.busy}/{each.slots}" for name, each in data.services.items())
        return [f"workers: {crew or 'none'}; dead letters: {data.dead_letters}", *data.alarms]
    return [
        f"{view.name}: {view.waiting} waiting, {view.unacknowledged} in work, {words.plural(view.consumers, 'workers')}"
        + (f", paused by {view.paused.by}" if view.paused else "")
        for view in data.items
    ]
