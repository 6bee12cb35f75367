"""Dead letters in a terminal: groups with how many and how old, items, and one as a sheet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from shared.contracts.dead_letter import DeadLetterGroup, DeadLetterState, DeadLetterView
from shared.contracts.triage import Payload
from shared.errors import FailureClass
from shared.ids import now
from vedette.cli import grid, output, words
from vedette.cli.session import Session

CLASS_STYLES = {
    **dict.fromkeys(("temporary", "external"), "yellow"),
    **dict.fromkeys(("infrastructure", "resource"), "magenta"),
    **dict.fromkeys(("permanent",), "red"),
    **dict.fromkeys(("security",), "bold red"),
}
STATE_STYLES = {
    **dict.fromkeys(("open",), "red"),
    **dict.fromkeys(("replaying", "replayed", "snoozed"), "yellow"),
    **dict.fromkeys(("resolved",), "green"),
    **dict.fromkeys(("discarded",), "dim"),
    **dict.fromkeys(("quarantined",), "bold red"),
}
ACTIONABLE = {DeadLetterState.OPEN, DeadLetterState.SNOOZED, DeadLetterState.QUARANTINED}
FRAMES = 3  # of our own code, shown of a traceback


def show_groups(session: Session, groups: Sequence[DeadLetterGroup]) -> None:
    """Print one line per error: how many are open of how many, how old, and what it says."""
    rows = [
        [
            Text(str(group.open), "bold" if group.open else "dim"),
            Text(str(group.count), "dim"),
            _class(group.failure_class, is_poison=group.is_poison),
            Text(group.stage or "-"),
            Text(_ago(group.last_failed_at)),
            Text(_ago(group.first_failed_at), "dim"),
            Text(words.line(group.fingerprint), "dim"),
            _said(group.error_type or group.code, group.message),
        ]
        for group in groups
    ]
    headings = ("open", "all", "class", "stage", "last", "first", "group", "error")
    grid.show(session.console(), headings, rows, numbers=("open", "all", "last", "first"), last="beneath")
    session.note(f"Look at one     vedette dlq get {words.short(groups[0].sample_id)}")
    ours = (group for group in groups if group.open and group.failure_class is not FailureClass.SECURITY)
    if first := next(ours, None):
        session.note(f"Try them again  vedette dlq replay --group-id {first.fingerprint} --canary 5 --dry-run")


def show(session: Session, found: Sequence[DeadLetterView]) -> None:
    """Print one line per dead letter."""
    rows = [
        [
            Text(words.short(letter.id)),
            Text(letter.state, STATE_STYLES.get(letter.state, "")),
            _class(letter.failure_class, is_poison=letter.is_poison),
            Text(letter.stage or "-"),
            Text(words.line(letter.target)),
            Text(_ago(letter.last_failed_at)),
            _said(letter.error.type or letter.error.code, letter.error.message or letter.reason),
        ]
        for letter in found
    ]
    headings = ("id", "state", "class", "stage", "target", "age", "error")
    grid.show(session.console(), headings, rows, numbers=("age",), last="beneath")
    session.note(f"Look at one: vedette dlq get {words.short(found[0].id)}   By error: vedette dlq list --group")


def sheet(session: Session, letter: DeadLetterView) -> None:
    """Print all there is to say of one dead letter, and what can be done with it."""
    console = session.console()
    signs = words.marks(console.file)
    head = Text.assemble(("Dead letter ", "dim"), (words.short(letter.id), "bold"), "  ")
    head.append(letter.state, STATE_STYLES.get(letter.state, "")).append("  ")
    head.append_text(_class(letter.failure_class, is_poison=letter.is_poison))
    message = Text(words.fitting(words.line(letter.error.message or letter.reason), signs), "red")
    lines = [head, Text("  ").append_text(message)]
    lines += [Text.assemble((f"  {label:<9} ", "dim"), text) for label, text in _facts(letter) if text]
    for line in lines:
        console.print(line, soft_wrap=True)
    if letter.error.cure:
        console.print(Text.assemble(("fix: ", "bold green"), words.line(letter.error.cure)), soft_wrap=True)
    for hint in _next(letter):
        session.note(hint)


def show_payload(session: Session, payload: Payload) -> None:
    """Print a message: decoded where it can be, else its text."""
    if payload.message is not None:
        print(words.harmless(json.dumps(payload.message, indent=2, ensure_ascii=False)))
    else:
        print(words.harmless(payload.text))
    if payload.is_cut:
        session.note(f"Only its beginning was kept, of {payload.size_bytes} bytes.")


def changed(session: Session, letter: DeadLetterView, what: str) -> None:
    """Print one dead letter that was changed; for people, what is now."""
    if session.is_table:
        print(words.line(f"{words.short(letter.id)} {what}"))
    else:
        output.record(session, letter)


def _facts(letter: DeadLetterView) -> list[tuple[str, str]]:
    job = f"{words.short(letter.job_id)}  {words.line(letter.target)}" if letter.job_id else ""
    memory = f", {letter.memory_bytes // 2**20} MiB{' at its death' * letter.is_poison}" if letter.memory_bytes else ""
    tries = f"{words.plural(letter.deliveries, 'deliveries')}, {words.plural(letter.retries, 'retries')}"
    tries = tries.replace("1 deliverie,", "1 delivery,").replace("1 retrie", "1 retry")
    return [
        ("id", words.line(letter.id)),
        ("job", f"{job}, run {letter.run}" if letter.run > 1 and job else job),
        ("step", f"{letter.stage or '-'}  queue {words.line(letter.queue)}" if letter.queue else letter.stage or ""),
        ("reason", f"{letter.reason}"),
        ("class", f"{letter.failure_class}; {words.line(letter.rule)}" if letter.rule else letter.failure_class),
        ("error", words.line(" ".join(filter(None, (letter.error.type, letter.error.code))))),
        ("at", words.line(" < ".join(letter.error.frames[:FRAMES]))),
        ("tries", tries),
        ("worker", f"{words.line(letter.worker)}{memory}" if letter.worker else ""),
        ("failed", _when(letter)),
        ("replays", _replays(letter)),
        ("snoozed", f"until {letter.snoozed_until:%Y-%m-%d %H:%M} UTC" if letter.snoozed_until else ""),
        ("group", letter.fingerprint),
        ("trace", letter.trace_id),
        ("note", words.line(letter.note)),
    ]


def _when(letter: DeadLetterView) -> str:
    last = f"{letter.last_failed_at:%Y-%m-%d %H:%M:%S} UTC, {_ago(letter.last_failed_at)} ago"
    return f"{last}; {letter.count} times since {_ago(letter.first_failed_at)}" if letter.count > 1 else last


def _replays(letter: DeadLetterView) -> str:
    again = f"replayed {words.plural(letter.replays, 'times')}" if letter.replays else ""
    of = f"failed again after the replay of {words.short(letter.replay_of)}" if letter.replay_of else ""
    return "; ".join(filter(None, (again, of)))


def _next(letter: DeadLetterView) -> list[str]:
    tail = words.short(letter.id)
    if letter.state not in ACTIONABLE:
        return [f"Its job       vedette jobs get {words.short(letter.job_id)}"] if letter.job_id else []
    force = " --force" if letter.is_poison else ""
    hints = [f"Try it again  vedette dlq replay {tail}{force} --wait"] if letter.job_id else []
    hints.append(f"Its message   vedette dlq get {tail} --payload")
    return [*hints, f"Give it up    vedette dlq discard {tail} --expect 1"]


def _class(name: str, *, is_poison: bool) -> Text:
    text = Text(name, CLASS_STYLES.get(name, ""))
    return text.append(" poison", "bold red") if is_poison else text


def _said(kind: str, message: str) -> Text:
    return Text(words.line(": ".join(filter(None, (kind.rpartition(".")[2], message)))))


def _ago(at: datetime) -> str:
    return words.age((now() - at).total_seconds())
