"""TCP connect sweep of one address: which ports are open, closed, filtered or unreachable.

Raw non-blocking sockets; a selector (epoll on Linux) only sees the connects that are not decided at once, which on
loopback is none. On Linux a refused socket is used again with its source port: two system calls per closed port.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

from services.scan.net.pace import Pace
from shared.egress import Destination, is_self, open_socket
from shared.errors import Resource

BATCH = 512  # connects between two reports to the caller
TICK = 0.2  # seconds between two reports at most, so that a cancelled job stops soon
STARVED_WAIT = 0.1  # seconds to wait for a source port or file
STARVED_LIMIT = 100  # such waits in a row before the sweep gives up: 10 s

_REUSES = sys.platform == "linux"  # elsewhere a socket whose connect failed is spent
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER 0: RST, so that no TIME_WAIT holds the source port

_OPEN = frozenset({0, errno.EISCONN})
_CLOSED = frozenset({errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED})
_PENDING = frozenset({errno.EINPROGRESS, errno.EALREADY, errno.EINTR})
_STARVED = frozenset(
    {errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
)


class SocketsExhausted(Resource):
    """The system has had no source port or file for a connection for seconds."""


@dataclass
class Tally:
    """What is known of the ports of one address. `opened` has the seconds that the connect took."""

    opened: dict[int, float] = field(default_factory=dict)
    closed: list[int] = field(default_factory=list)
    filtered: list[int] = field(default_factory=list)
    unreachable: list[int] = field(default_factory=list)
    fastest: float | None = None

    @property
    def done(self) -> int:
        return len(self.opened) + len(self.closed) + len(self.filtered) + len(self.unreachable)


@dataclass(frozen=True)
class _Attempt:
    port: int
    again: bool
    started: float


class Sweep:
    """One address, swept in as many calls of `run` as there are groups; the pace is kept between them."""

    def __init__(self, where: Destination, *, deadline: float) -> None:
        self.tally = Tally()
        self.pace = Pace()
        self._where = where
        self._deadline = deadline
        self._todo: deque[tuple[int, bool]] = deque()
        self._idle: list[socket.socket] = []
        self._waiting: dict[socket.socket, _Attempt] = {}
        self._selector = selectors.DefaultSelector()
        self._starved = 0

    def close(self) -> None:
        for sock in (*self._idle, *self._waiting):
            sock.close()
        self._idle.clear()
        self._waiting.clear()
        self._selector.close()

    def run(self, ports: Iterable[int]) -> Iterator[int]:
        """Sweep `ports`; yield how many ports are done, after every batch and at least each `TICK` seconds.

        Ends early at the deadline (`time.monotonic`); the ports not reached are in no list of the tally.
        Raises SocketsExhausted.
        """
        self._todo.extend((port, False) for port in ports)
        while (self._todo or self._waiting) and time.monotonic() < self._deadline:
            self._launch()
            if self._waiting or self._starved:
                self._collect()
            yield self.tally.done
        self._todo.clear()
        for sock in list(self._waiting):
            self._forget(sock)

    def _launch(self) -> None:
        """Start connects up to the pace's limit. Most are decided on the spot where the target is near."""
        at, todo, closed, monotonic = self._where.at, self._todo, self.tally.closed, time.monotonic
        took = 0.0
        for _ in range(min(BATCH, len(todo))):
            sock = self._socket() if len(self._waiting) < self.pace.limit else None
            if sock is None:
                break
            port, again = todo.popleft()
            started = monotonic()
            code = sock.connect_ex(where := at(port))
            if code == errno.EINPROGRESS and _REUSES:
                code = sock.connect_ex(where)  # asks Linux for the outcome, and makes a refused socket usable again
            if code == errno.ECONNREFUSED and _REUSES and not again:
                took = monotonic() - started
                closed.append(port)
                self._idle.append(sock)
            else:
                self._sort(sock, _Attempt(port, again, started), code)
        if took:
            self._starved = 0
            self._measure(took, again=False)

    def _sort(self, sock: socket.socket, attempt: _Attempt, code: int) -> None:
        if code in _PENDING:
            self._waiting[sock] = attempt
            self._selector.register(sock, selectors.EVENT_WRITE)
        elif code in _STARVED:
            self._todo.append((attempt.port, attempt.again))
            sock.close()
            self._starve(code)
        else:
            self._starved = 0
            self._settle(sock, attempt, code)

    def _settle(self, sock: socket.socket, attempt: _Attempt, code: int) -> None:
        took = time.monotonic() - attempt.started
        if code in _CLOSED or (code in _OPEN and is_self(sock)):
            self.tally.closed.append(attempt.port)
        elif code in _OPEN:
            self.tally.opened[attempt.port] = took
            with contextlib.suppress(OSError):  # BSD refuses where the peer has left already
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        elif code == errno.ETIMEDOUT:
            self.tally.filtered.append(attempt.port)
        else:
            self.tally.unreachable.append(attempt.port)
        if code in _OPEN or code in _CLOSED:
            self._measure(took, again=attempt.again)
        if code == errno.ECONNREFUSED and _REUSES:
            self._idle.append(sock)
        else:
            sock.close()

    def _collect(self) -> None:
        """Wait for outcomes, but not while more may be started; then give up those that are overdue."""
        if not self._waiting:
            time.sleep(STARVED_WAIT)  # no descriptor to wait for: select() of nothing returns at once on some systems
            return
        may_start = self._todo and len(self._waiting) < self.pace.limit and not self._starved
        left = self._gives_up(next(iter(self._waiting.values()))) - time.monotonic()
        for key, _ in self._selector.select(0.0 if may_start else max(0.0, min(TICK, left))):
            self._finish(cast(socket.socket, key.fileobj))
        self._expire()

    def _finish(self, sock: socket.socket) -> None:
        attempt = self._waiting[sock]
        code = (
            sock.connect_ex(self._where.at(attempt.port))
            if _REUSES
            else sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        )
        if code not in _PENDING:
            self._selector.unregister(sock)
            del self._waiting[sock]
            self._starved = 0
            self._settle(sock, attempt, code)

    def _expire(self) -> None:
        """Give up what is overdue, oldest first. The first time a port is silent it goes to the end of the queue."""
        now = time.monotonic()
        for sock, attempt in list(self._waiting.items()):
            if self._gives_up(attempt) > now:
                return
            self._forget(sock)
            self.pace.silent()
            if attempt.again:
                self.tally.filtered.append(attempt.port)
            else:
                self._todo.append((attempt.port, True))

    def _gives_up(self, attempt: _Attempt) -> float:
        return attempt.started + (self.pace.retry_timeout if attempt.again else self.pace.timeout)

    def _measure(self, seconds: float, *, again: bool) -> None:
        self.pace.answered(seconds, again=again)
        if self.tally.fastest is None or seconds < self.tally.fastest:
            self.tally.fastest = seconds

    def _forget(self, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        del self._waiting[sock]
        sock.close()

    def _socket(self) -> socket.socket | None:
        if self._idle:
            return self._idle.pop()
        try:
            return _with_own_port(self._where) if _REUSES else open_socket(self._where)
        except OSError as exc:
            if exc.errno not in _STARVED:
                raise
            self._starve(exc.errno)
            return None

    def _starve(self, code: int) -> None:
        self._starved += 1
        self.pace.starved(len(self._waiting))
        if self._starved > STARVED_LIMIT and not self._waiting:
            raise SocketsExhausted(
                f"No socket for {self._where.host}: {os.strerror(code)}.",
                cure="Lower the concurrency of the scan worker, or raise its limit of open files.",
            )


def _with_own_port(where: Destination) -> socket.socket:
    """Return a socket bound to one source port for good: Linux then need not search for a free one at each connect.

    The port is asked for twice, since only a port that was named is kept when a connect fails.
    """
    sock = open_socket(where)
    try:
        sock.bind(("", 0))
        port = sock.getsockname()[1]
        sock.close()
        sock = open_socket(where)
        with contextlib.suppress(OSError):  # taken in between: the socket works without a port of its own, more slowly
            sock.bind(("", port))
    except BaseException:
        sock.close()
        raise
    return sock
