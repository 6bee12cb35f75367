"""The WebSockets that users of the earlier systems know, over the same machinery: of one job, and of the system."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket

from gateway import topics
from gateway.conversation import RESTART, Ended, heard, send, until_first
from gateway.feed import Feed, Subscription
from gateway.live import Live
from gateway.vigil import Vigil
from shared.contracts.events import EventType
from shared.contracts.job import JobState, JobView
from shared.ids import now

STATUS_EVERY_S = 5.0
_GOOD = frozenset({JobState.SUCCEEDED, JobState.PARTIAL})
OVER = 1000  # RFC 6455, 7.4.1: a normal closure


class JobSocket:
    """`progress_update` whenever something happens to a job, at last `job_completed` or `job_failed`."""

    def __init__(self, socket: WebSocket, feed: Feed, vigil: Vigil, topic: str) -> None:
        self._socket = socket
        self._feed = feed
        self._vigil = vigil
        self._topic = topic

    async def hold(self) -> None:
        """Talk until the job is over or the client goes."""
        self._feed.subscribe(Subscription((self._topic,), None))
        await until_first(self._socket, _pong(self._socket), self._tell())

    async def _tell(self) -> None:
        async for one in self._feed.messages():
            await self._vigil.look()
            message = json.loads(one.text)
            if one.type == "snapshot":
                await self._say(JobView.model_validate(message["data"]))
            elif one.type == "event" and message["event"]["type"] == EventType.JOB_FINISHED:
                await self._say(await run_in_threadpool(topics.job_now, self._feed.caller, self._topic))
            elif one.type == "event":
                await send(self._socket, json.dumps(_update(message["event"])))
        raise Ended(RESTART, "the gateway stops; come back")

    async def _say(self, job: JobView) -> None:
        plain = job.model_dump(mode="json")
        if not job.state.is_terminal:
            update = {"type": "progress_update", "job_id": job.id, "state": job.state, "stage": "", "data": plain}
            await send(self._socket, json.dumps(update))
            return
        kind = "job_completed" if job.state in _GOOD else "job_failed"
        error = job.failure.message if job.failure else ""
        await send(
            self._socket,
            json.dumps({"type": kind, "job_id": job.id, "state": job.state, "error": error, "result": plain}),
        )
        raise Ended(OVER, "the job is over")


class SystemSocket:
    """`system_status` every few seconds."""

    def __init__(self, socket: WebSocket, feed: Feed, vigil: Vigil, live: Live) -> None:
        self._socket = socket
        self._feed = feed
        self._vigil = vigil
        self._live = live

    async def hold(self) -> None:
        """Talk until the client goes."""
        self._feed.topics = frozenset({topics.QUEUES, topics.SYSTEM})
        await until_first(self._socket, _pong(self._socket), self._tell())

    async def _tell(self) -> None:
        with self._live.tail.reader(self._feed):
            self._live.tail.look_at_boards()
            while not self._live.is_closing:
                await self._vigil.look()
                if (status := self._status()) is None:
                    await self._live.pause(0.1)
                    continue
                await send(self._socket, json.dumps(status))
                await self._live.pause(STATUS_EVERY_S)
        raise Ended(RESTART, "the gateway stops; come back")

    def _status(self) -> dict[str, Any] | None:
        boards = self._live.tail.boards
        system, queues = boards.system_since(-1, self._feed.org_id), boards.queues_since(-1)
        if system is None or queues is None:
            return None
        depths = {view.name: view.waiting for view in queues.items}
        data = system.model_dump(mode="json") | {"queue_depths": depths}
        return {"type": "system_status", "at": now().isoformat(), "data": data}


async def _pong(socket: WebSocket) -> None:
    async for text in heard(socket):
        if text == "ping":
            await send(socket, "pong")


def _update(event: Mapping[str, Any]) -> dict[str, Any]:
    names = {"type": "progress_update", "job_id": event["job_id"], "state": event["type"], "stage": event["stage"]}
    return names | {"data": event["data"]}
