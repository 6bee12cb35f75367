"""`python -m gateway`: serves until told to stop, and then lets streams and requests end."""

from __future__ import annotations

import gc
import socket
import sys

import uvicorn

from gateway import guard
from gateway.app import allowed_hosts, create_app
from gateway.connection import BoundedConnection, places
from gateway.live import Live
from gateway.upgrade import PING_EVERY_S, PONG_TIMEOUT_S, BoundedSocket
from shared import keyring, recording, telemetry
from shared.contracts.live import MAX_MESSAGE
from shared.errors import VedetteError
from shared.keyring import MISCONFIGURED
from shared.settings import Settings, settings

SHUTDOWN_TIMEOUT_S = 4  # for requests; with what follows the process ends within 5 s


class Server(uvicorn.Server):
    """Ends the streams first: uvicorn would wait for them, and they for their jobs."""

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self.live = live

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.live.close()
        await super().shutdown(sockets)


def main() -> int:
    """Run the gateway; return the exit code."""
    chosen = settings()
    telemetry.start("gateway", chosen)
    try:
        keyring.require()
        server = build(chosen)
    except VedetteError as exc:
        sys.stderr.write(f"vedette gateway: {exc.message} {exc.cure}\n")
        return MISCONFIGURED
    recorded = recording.begin("gateway", recording.FLUSH_EVERY_S)
    inherited = [] if chosen.gateway_fd is None else [socket.socket(fileno=chosen.gateway_fd)]
    watching = guard.begin(chosen)
    gc.freeze()  # what is there by now stays: looking through it for garbage takes longer than many an answer
    server.run(sockets=inherited or None)
    watching.set()
    recorded.end()
    return 0


def build(chosen: Settings) -> Server:
    """Return the server that these settings describe. Raises auth.TokenMissing."""
    app = create_app(chosen.token.get_secret_value(), allowed_hosts(chosen))
    config = uvicorn.Config(
        app,
        host=chosen.gateway_host,
        port=chosen.gateway_port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws=BoundedSocket,
        ws_max_size=MAX_MESSAGE,
        ws_ping_interval=PING_EVERY_S,
        ws_ping_timeout=PONG_TIMEOUT_S,
        ws_per_message_deflate=False,
        http=BoundedConnection,
        limit_concurrency=places(),
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
    return Server(config, app.state.live)


if __name__ == "__main__":
    sys.exit(main())
