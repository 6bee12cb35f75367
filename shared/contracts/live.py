"""Live updates as they travel over WebSocket and Server-Sent Events, one JSON object each. See docs/live.md.

`id` is a number of the event log: whoever comes back with `since` and the last one it saw gets all that came after.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, RootModel

from shared.contracts.events import Event
from shared.contracts.job import Contract, JobState, JobView, Written
from shared.contracts.queues import BrokerMemory, QueueList

MAX_TOPICS = 64  # of one connection
MAX_MESSAGE = 16 * 1024  # bytes of what a client may send


class Op(StrEnum):
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    PING = "ping"


class LiveRequest(Written):
    """What a client sends over the WebSocket. since: the last `id` that it saw, without: begin with a snapshot."""

    op: Op
    topics: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=MAX_TOPICS)
    since: int | None = Field(default=None, ge=0, le=2**62)


class JobsNow(Contract):
    """The jobs of an organisation: how many are in which state and not over, and the newest."""

    running: int
    waiting: int
    by_state: dict[JobState, int]
    jobs: list[JobView]


class ServiceNow(Contract):
    """The workers of one service. slots, busy: of all their children."""

    workers: int
    slots: int
    busy: int


class SystemNow(Contract):
    """How the installation is. dead_letters: those of the caller's organisation that wait for somebody."""

    services: dict[str, ServiceNow]
    broker_answers: bool
    broker: BrokerMemory
    bus_answers: bool
    dead_letters: int
    alarms: list[str]


class Subscribed(Contract):
    """The topics, as they are called from now on: pieces of ids are completed."""

    type: Literal["subscribed"] = "subscribed"
    topics: list[str]


class Unsubscribed(Contract):
    type: Literal["unsubscribed"] = "unsubscribed"
    topics: list[str]


class Snapshot(Contract):
    """How a topic is now. What follows may tell of something that is in it already."""

    type: Literal["snapshot"] = "snapshot"
    topic: str
    id: int
    data: JobsNow | JobView | QueueList | SystemNow


class Happened(Contract):
    """An event of a job. id: 0 for progress, which is not kept: of much of it a slow reader gets the newest."""

    type: Literal["event"] = "event"
    id: int
    topics: list[str]
    event: Event


class Changed(Contract):
    """What is new of `queues` (those queues that changed) or of `system`."""

    type: Literal["change"] = "change"
    topic: str
    data: QueueList | SystemNow


class Reset(Contract):
    """The log no longer tells what came after `since`: a snapshot follows, forget what there was."""

    type: Literal["reset"] = "reset"
    topics: list[str]


class Beat(Contract):
    """Nothing else happened. id: all up to here was told, so it may be `since`."""

    type: Literal["beat"] = "beat"
    id: int
    at: datetime


class Pong(Contract):
    type: Literal["pong"] = "pong"


class Refused(Contract):
    """A request that was not carried out; the connection goes on. topic: the one that was wrong, as it was sent."""

    type: Literal["error"] = "error"
    code: str
    message: str
    cure: str = ""
    topic: str = ""


class LiveMessage(RootModel[Subscribed | Unsubscribed | Snapshot | Happened | Changed | Reset | Beat | Pong | Refused]):
    """Whatever the gateway may say; `type` tells which."""

    root: Annotated[
        Subscribed | Unsubscribed | Snapshot | Happened | Changed | Reset | Beat | Pong | Refused,
        Field(discriminator="type"),
    ]


class Ticket(Contract):
    """Opens one WebSocket, `/ws?ticket=…`, as whoever asked for it: once, and only for some seconds."""

    ticket: str
    expires_in_s: int
