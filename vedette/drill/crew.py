"""Servers on loopback for the jobs of a drill: they greet late, as a slow FTP server does, or never say anything.

One thread serves all of them. Bounded: `MAX_PORTS` ports, `MAX_PEERS` connections at once, `MAX_HEARD` bytes of each.
"""

from __future__ import annotations

import contextlib
import heapq
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Self

from shared.errors import Infrastructure

HOSTS = ("127.0.0.86", "127.0.0.1")  # the first keeps the findings of drills away from those of the machine itself
MAX_PORTS = 501
MAX_PEERS = 512
MAX_HEARD = 4096  # bytes that are read of one peer
LIFE_S = 120.0  # of one connection
DRIP_S = 1.0  # between the drops of a tarpit
TICK_S = 0.05
GREETING = b"220 FTP of a drill\r\n"
REFUSAL = b"502 Not in a drill.\r\n"


class NoListener(Infrastructure):
    """No port of loopback could be opened."""


@dataclass
class Peer:
    """One connection. `is_mute`: it is a tarpit's."""

    link: socket.socket
    is_mute: bool
    until: float
    heard: int = 0
    is_closed: bool = False


@dataclass
class Crew:
    """The servers, from entering the block to leaving it.

    patience_s: how long each answer takes.  ports: of those that answer.  tarpit: a port that never does.
    """

    count: int
    patience_s: float
    host: str = ""
    ports: list[int] = field(default_factory=list)
    tarpit: int = 0

    def __enter__(self) -> Self:
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, Peer, bytes]] = []
        self._peers: set[int] = set()
        self._turn = 0
        self._is_over = threading.Event()
        self._servers = [self._open() for _ in range(min(self.count, MAX_PORTS - 1) + 1)]
        *answering, mute = [int(server.getsockname()[1]) for server in self._servers]
        self.ports, self.tarpit = answering, mute
        self._thread = threading.Thread(target=self._serve, name="drill-crew", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(5)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, Peer):
                key.data.link.close()
        for server in self._servers:
            server.close()
        self._selector.close()

    def _open(self) -> socket.socket:
        hosts = (self.host,) if self.host else HOSTS
        for host in hosts:
            with contextlib.suppress(OSError):
                server = socket.create_server((host, 0), backlog=64)
                server.setblocking(False)
                self._selector.register(server, selectors.EVENT_READ, None)
                self.host = host
                return server
        raise NoListener("No port of loopback can be opened for the drill.", cure="Raise the limit: ulimit -n 4096")

    def _serve(self) -> None:
        while not self._is_over.is_set():
            for key, _ in self._selector.select(TICK_S):
                if isinstance(key.data, Peer):
                    self._hear(key.data)
                else:
                    self._accept(key.fileobj)  # type: ignore[arg-type]  # only sockets were registered
            self._speak(time.monotonic())

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            link, _ = server.accept()
            if len(self._peers) >= MAX_PEERS:
                link.close()
                return
            link.setblocking(False)
            peer = Peer(link, server.getsockname()[1] == self.tarpit, time.monotonic() + LIFE_S)
            self._peers.add(id(peer))
            self._selector.register(link, selectors.EVENT_READ, peer)
            self._later(peer, b"" if peer.is_mute else GREETING)

    def _hear(self, peer: Peer) -> None:
        try:
            heard = peer.link.recv(1024)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        peer.heard += len(heard)
        if not heard or peer.heard > MAX_HEARD:
            self._close(peer)
        elif not peer.is_mute and heard.endswith(b"\n"):
            self._later(peer, REFUSAL)

    def _later(self, peer: Peer, said: bytes) -> None:
        self._turn += 1
        wait_s = DRIP_S if peer.is_mute else self.patience_s
        heapq.heappush(self._due, (time.monotonic() + wait_s, self._turn, peer, said))

    def _speak(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            _, _, peer, said = heapq.heappop(self._due)
            if peer.is_closed:
                continue
            try:
                peer.link.send(said)
            except OSError:
                self._close(peer)
                continue
            if now > peer.until:
                self._close(peer)
            elif peer.is_mute:
                self._later(peer, b"")

    def _close(self, peer: Peer) -> None:
        if peer.is_closed:
            return
        peer.is_closed = True
        self._peers.discard(id(peer))
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(peer.link)
        peer.link.close()
