"""WebSockets: `/ws`, and the two that users of the earlier systems know."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter, WebSocket
from starlette.concurrency import run_in_threadpool

from gateway import topics
from gateway.audience import Audience, AudienceFull
from gateway.conversation import FULL, Conversation, Ended, close
from gateway.earlier import JobSocket, SystemSocket
from gateway.feed import Feed
from gateway.vigil import Vigil

router = APIRouter()


class Talk(Protocol):
    """What is said over an accepted WebSocket."""

    async def hold(self) -> None: ...


@router.websocket("/ws")
async def live(socket: WebSocket) -> None:
    """Everything, by topic."""
    vigil = Vigil(socket.scope["state"])
    await _hold(socket, vigil, Conversation(socket, _feed(socket, vigil), vigil))


@router.websocket("/ws/jobs/{id}")
async def job(socket: WebSocket) -> None:
    """One job, as the earlier systems told of it."""
    vigil = Vigil(socket.scope["state"])
    topic = await run_in_threadpool(topics.find, vigil.caller, topics.JOB + socket.path_params["id"])
    await _hold(socket, vigil, JobSocket(socket, _feed(socket, vigil), vigil, topic))


@router.websocket("/ws/system")
async def system(socket: WebSocket) -> None:
    """How the system is, as the earlier systems told of it."""
    vigil = Vigil(socket.scope["state"])
    topics.find(vigil.caller, topics.SYSTEM)
    await _hold(socket, vigil, SystemSocket(socket, _feed(socket, vigil), vigil, socket.app.state.live))


def _feed(socket: WebSocket, vigil: Vigil) -> Feed:
    return Feed(socket.app.state.live, vigil.caller)


async def _hold(socket: WebSocket, vigil: Vigil, talk: Talk) -> None:
    audience: Audience = socket.app.state.audience
    await socket.accept()
    try:
        with audience.place(vigil.caller):
            await talk.hold()
    except AudienceFull as exc:  # said after the handshake: browsers do not show what an earlier refusal says
        await close(socket, Ended(FULL, exc.message))
