"""Queues in a terminal: bars for what waits, words for what is wrong."""

from __future__ import annotations

from rich.text import Text

from shared.contracts.job import Priority
from shared.contracts.queues import BrokerMemory, QueueList, QueueView
from vedette.cli import grid, live, words
from vedette.cli.session import Session
from vedette.cli.words import Marks

OLD_S = 60.0  # seconds from which on a wait is worth a colour
BAR = 12  # characters
_PRIORITIES = [priority.value for priority in Priority]


def show(session: Session, found: QueueList) -> None:
    """Print one line per queue, and how full the broker is when that matters."""
    console = session.console()
    rows = [
        [
            Text(words.line(queue.name)),
            _number(queue.waiting),
            _number(queue.unacknowledged),
            _age(queue),
            Text(f"{queue.busy}/{queue.slots}" if queue.consumers else "-", "" if queue.consumers else "dim"),
            _state(queue),
        ]
        for queue in found.items
    ]
    headings = ("queue", "waiting", "in hand", "oldest", "busy", "state")
    grid.show(console, headings, rows, numbers=("waiting", "in hand", "oldest", "busy"))
    if memory := _memory(found.memory):
        console.print(memory, soft_wrap=True)


def depth(found: QueueList, signs: Marks) -> Text:
    """Return one line per queue: a bar of what waits, and how much of it has which priority."""
    most = max((queue.waiting for queue in found.items), default=0)
    rows = [
        [
            Text(words.line(queue.name)),
            live.bar(queue.waiting, max(most, 1), signs, width=BAR),
            _number(queue.waiting),
            _age(queue),
            Text("paused", "yellow") if queue.paused else Text(),
            Text(_by_priority(queue, signs), "dim"),
        ]
        for queue in found.items
    ]
    headings = ("queue", "", "waiting", "oldest", "", "by priority")
    return Text("\n").join(grid.lines(headings, rows, numbers=("waiting", "oldest")))


def _state(queue: QueueView) -> Text:
    if queue.paused:
        why = f": {queue.paused.reason}" if queue.paused.reason else ""
        return Text(words.line(f"paused by {queue.paused.by}{why}"), "yellow")
    if not queue.consumers:
        return Text("no worker takes from it", "red" if queue.waiting else "dim")
    return Text("open", "green")


def _number(count: int) -> Text:
    return Text(str(count), "" if count else "dim")


def _age(queue: QueueView) -> Text:
    if queue.oldest_age_s is None:
        return Text()
    return Text(words.age(queue.oldest_age_s), "yellow" if queue.oldest_age_s > OLD_S else "")


def _by_priority(queue: QueueView, signs: Marks) -> str:
    known = [name for name in _PRIORITIES if queue.by_priority.get(name)]
    return f" {signs.dot} ".join(f"{queue.by_priority[name]} {name}" for name in known)


def _memory(memory: BrokerMemory) -> Text | None:
    if memory.alarm:
        return Text(words.line(memory.alarm), "bold red")
    if memory.fullness is None:
        return None
    return Text(f"broker memory {100 * memory.fullness:.0f} % of {memory.limit_bytes // 2**20} MiB", "dim")
