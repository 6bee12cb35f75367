"""WebSockets: `/ws`, and the two that users of the earlier systems know."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from gateway.audience import Audience, AudienceFull
from gateway.conversation import FULL, Conversation, Ended, close
from gateway.feed import Feed
from gateway.vigil import Vigil

router = APIRouter()


@router.websocket("/ws")
async def live(socket: WebSocket) -> None:
    """Everything, by topic."""
    await _talk(socket, Conversation)


async def _talk(socket: WebSocket, kind: type[Conversation]) -> None:
    audience: Audience = socket.app.state.audience
    vigil = Vigil(socket.scope["state"])
    await socket.accept()
    try:
        with audience.place(vigil.caller):
            await kind(socket, Feed(socket.app.state.live, vigil.caller), vigil).hold()
    except AudienceFull as exc:  # said after the handshake: browsers do not show what an earlier refusal says
        await close(socket, Ended(FULL, exc.message))
