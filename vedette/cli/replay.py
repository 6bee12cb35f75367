"""`vedette dlq replay`: try again what failed, at the step that failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.errors import Conflict
from vedette.cli import arguments, options, selection, words
from vedette.cli.arguments import Stage
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.session import Link, Session, command

if TYPE_CHECKING:
    from shared.contracts.dead_letter import BulkReplay, Replay, Verdict

app = typer.Typer(rich_markup_mode=None)


@app.command(
    "replay",
    epilog=examples(
        "vedette dlq replay 3f0f6e1b --wait",
        "vedette dlq replay 3f0f6e1b --set ports=22,443",
        "vedette dlq replay 3f0f6e1b --from process",
        "vedette dlq replay 3f0f6e1b --skip 'done by hand'",
        "vedette dlq replay -q class:external --dry-run",
        "vedette dlq replay --group-id 5be1f6b0c2d4 --canary 5 --stop-at 20%",
    ),
)
@command
def replay(
    session: Session,
    letter: arguments.Letters = None,
    *,
    query: arguments.LetterQuery = None,
    group_id: arguments.Group = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are open.")] = False,
    stage: Annotated[Stage | None, typer.Option("--from", metavar="STAGE", help="The job from this stage on.")] = None,
    whole: Annotated[bool, typer.Option("--whole", help="The whole job.")] = False,
    skip: Annotated[str | None, typer.Option(metavar="TEXT", help="Take the step as done; TEXT says why.")] = None,
    queue: Annotated[str | None, typer.Option(metavar="QUEUE", help="Into another queue, e.g. scan.heavy.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="K=V", help="With this changed in the request; repeatable.")
    ] = None,
    canary: Annotated[int, typer.Option(metavar="N", min=0, max=1000, help="N first; wait how they end.")] = 0,
    rate: Annotated[str, typer.Option(metavar="N/s", help="At most so many, e.g. 2/s or 30/m.")] = "",
    stop_at: Annotated[str, typer.Option(metavar="SHARE", help="Stop when so many fail again, e.g. 20%.")] = "",
    dry_run: arguments.DryRun = False,
    force: Annotated[bool, typer.Option("--force", help="Also one that is quarantined; by its id alone.")] = False,
    wait: Annotated[
        bool | None, typer.Option("--wait/--no-wait", help="Wait for the end, with progress.", show_default="of many")
    ] = None,
) -> int:
    """Send dead letters again: finished stages are kept, and each is sent once, whoever else tries.

    One id is replayed at once, and --wait follows its job. Several, a query or a group are an operation that can be
    paused and stopped: `vedette operations`.
    """
    chosen = selection.of(letter or [], query, group_id, everything=everything)
    how = _how(stage=stage, whole=whole, skip=skip, queue=queue, change=change or [], force=force)
    from shared.contracts.dead_letter import BulkReplay  # noqa: PLC0415

    asked = BulkReplay(
        selection=chosen, how=how, canary=canary, rate=_rate(rate), stop_at=options.share(stop_at), dry_run=dry_run
    )
    if force and not chosen.ids:
        raise Misused("--force is for dead letters that are named one by one.", cure="Give their ids.")
    if dry_run or (len(chosen.ids) != 1 and not force):
        return _many(session, asked, is_waiting=wait is not False)
    return _each(session, chosen.ids, how, is_waiting=bool(wait))


def _how(
    *, stage: str | None, whole: bool, skip: str | None, queue: str | None, change: Sequence[str], force: bool
) -> Replay:
    """Return how to replay. Raises Misused when two ways are asked for."""
    from pydantic import ValidationError  # noqa: PLC0415

    from shared.contracts.dead_letter import Replay, ReplayMode  # noqa: PLC0415

    ways = {
        "--from": stage is not None,
        "--whole": whole,
        "--skip": skip is not None,
        "--queue": queue is not None,
        "--set": bool(change),
    }
    asked = [name for name, is_given in ways.items() if is_given]
    if len(asked) > 1:
        raise Misused(f"{' and '.join(asked)} exclude each other.", cure="Leave all but one of them out.")
    modes = dict(
        zip(ways, ("from-stage", "whole", "skip", "to-queue", "edited"), strict=True),
    )
    given: dict[str, Any] = {"mode": modes[asked[0]] if asked else ReplayMode.AS_IS, "force": force}
    given |= {"stage": stage, "result": skip or "", "queue": queue or "", "changes": _changes(change)}
    try:
        return Replay.model_validate(given)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        field = {name: way for way, name in _OPTIONS.items()}[str(first["loc"][0])]
        raise Misused(f"{field}: {first['msg']}.", cure="vedette dlq replay --help") from None


_OPTIONS = {"--from": "stage", "--skip": "result", "--queue": "queue", "--set": "changes"}


def _changes(texts: Sequence[str]) -> dict[str, Any]:
    """Return what `key=value` options set; a value is JSON where it reads as such, else text."""
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise Misused(f"{text[:80]!r} changes nothing.", cure="Write it like --set ports=1-1024")
        found[key.strip()] = _value(value)
    return found


def _value(text: str) -> object:
    if text[:1] in {"[", "{", '"'} or text in {"true", "false", "null"}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _rate(text: str) -> float:
    return options.rate(text) if text else 0.0


def _many(session: Session, asked: BulkReplay, *, is_waiting: bool) -> int:
    from vedette.cli import bulk  # noqa: PLC0415

    with session.gateway() as link:
        return bulk.finish(session, link, link.client.dlq.replay_many(asked), is_waiting=is_waiting)


def _each(session: Session, ids: Sequence[str], how: Replay, *, is_waiting: bool) -> int:
    from vedette.cli import waiting  # noqa: PLC0415

    with session.gateway() as link:
        verdicts = [_one(link, letter, how) for letter in ids]
        job_id = verdicts[0].job_id
        if is_waiting and job_id and len(verdicts) == 1:
            return waiting.wait(session, link, [link.client.job(job_id)], waiting.Wish())
    _say(session, verdicts)
    return Exit.OK if all(verdict.ok for verdict in verdicts) else Exit.PARTIAL


def _one(link: Link, letter: str, how: Replay) -> Verdict:
    """Replay one. Raises StateForbids, which says what can be done instead."""
    try:
        return link.client.dlq.replay(letter, how)
    except Conflict as exc:
        problem = getattr(exc, "problem", None)
        exc.cure = exc.cure or _CURES.get(problem.code if problem else "", "vedette dlq get {0}").format(
            words.short(letter)
        )
        raise


_CURES = {
    "no-consumer": "See who works: vedette workers list   Or all the same: vedette dlq replay {0} --force",
    "quarantined": "vedette dlq replay {0} --force",
    "job-gone": "vedette dlq discard {0} --expect 1",
    "nothing-failed": "vedette dlq discard {0} --expect 1",
    "stage-missing": "vedette dlq replay {0} --from STAGE, or --whole",
    "queue-unknown": "vedette queues list",
    "changes-invalid": "vedette dlq replay {0} --set ports=1-1024",
    "payload-invalid": "See it: vedette dlq get {0} --payload   Or change it: vedette dlq replay {0} --set k=v",
    "task-unregistered": "See it: vedette dlq get {0} --payload",
}


def _say(session: Session, verdicts: Sequence[Verdict]) -> None:
    from vedette.cli import output  # noqa: PLC0415

    if not session.is_table:
        output.records(session, verdicts, ("id", "job_id", "ok", "code"), empty="")
        return
    for verdict in verdicts:
        what = "replayed" if verdict.ok else f"not replayed, {verdict.code}"
        tail = f": {verdict.detail}" if verdict.detail else ""
        job = f"; job {words.short(verdict.job_id)} goes on" if verdict.ok and verdict.job_id else ""
        print(words.line(f"{words.short(verdict.id)} {what}{tail}{job}"))
    if (first := verdicts[0]).ok and first.job_id:
        session.note(f"Watch   vedette jobs watch {words.short(first.job_id)}")
