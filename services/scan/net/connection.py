"""One conversation with an untrusted peer: bounded in time and bytes, in clear or inside TLS.

Everything that arrives is remembered up to `KEPT` bytes as evidence. TLS is driven through memory BIOs, so that it can
begin at any point of the conversation (STARTTLS) and leaves nothing behind when it fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable
from types import TracebackType
from typing import Self, TypeVar

from shared.errors import Temporary

PATIENCE = 3.0  # seconds for one answer, unless the caller has reason to wait longer or shorter
MAX_BYTES = 256 * 1024  # one conversation; the largest wanted answer is a 64 KiB page
KEPT = 8192  # bytes remembered for evidence
_CHUNK = 16 * 1024
_LINE = 2048  # RFC 5321 allows 512, IMAP capabilities are longer in practice

T = TypeVar("T")


class Lost(Temporary):
    """The peer refused, reset or closed the connection."""


class Silent(Temporary):
    """The peer did not say what was waited for in time."""


class TooMuch(Temporary):
    """The peer said more than is read from one conversation."""


class Connection:
    """A connected socket. Reads raise Silent, Lost or TooMuch; use it as `async with`.

    authority: how the peer is called where a protocol wants its name (`Host` of HTTP).
    """

    def __init__(self, sock: socket.socket, *, lasts: float, patience: float = PATIENCE, authority: str = "") -> None:
        self.authority = authority
        self._sock = sock
        self._patience = patience
        self._expires = time.monotonic() + lasts
        self._buffer = bytearray()
        self._total = 0
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.received = bytearray()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._sock.close()

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session, once `secure` has succeeded."""
        return self._tls

    async def peek(self, wait: float | None = None) -> bytes:
        """Return what has arrived and is unread; wait for the first bytes if there are none. Consumes nothing."""
        if not self._buffer:
            await self._fill(wait)
        return bytes(self._buffer)

    async def some(self, limit: int = 4096, wait: float | None = None) -> bytes:
        """Return between 1 and `limit` bytes, whatever comes first."""
        return self._take(min(limit, len(await self.peek(wait))))

    async def exactly(self, count: int, wait: float | None = None) -> bytes:
        while len(self._buffer) < count:
            await self._fill(wait)
        return self._take(count)

    async def until(self, mark: bytes, limit: int = _LINE, wait: float | None = None) -> bytes:
        """Return everything up to and with `mark`. Raises TooMuch when `limit` bytes do not contain it."""
        while (at := self._buffer.find(mark, 0, limit)) < 0:
            if len(self._buffer) >= limit:
                raise TooMuch(f"No end of line within {limit} bytes.")
            await self._fill(wait)
        return self._take(at + len(mark))

    async def line(self, limit: int = _LINE, wait: float | None = None) -> str:
        """Return one line without its end, decoded so that every byte survives as a character."""
        return (await self.until(b"\n", limit, wait)).rstrip(b"\r\n").decode("latin-1")

    async def rest(self, limit: int, wait: float | None = None) -> bytes:
        """Return what comes until the peer closes, falls silent, or `limit` bytes are there."""
        with contextlib.suppress(Lost, Silent, TooMuch):
            while len(self._buffer) < limit:
                await self._fill(wait)
        return self._take(min(limit, len(self._buffer)))

    async def send(self, data: bytes, wait: float | None = None) -> None:
        if self._tls is None:
            await self._transmit(data, wait)
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as exc:  # the peer ended the session, or began another handshake
            raise Lost(f"TLS ended: {exc.reason or 'without a reason'}.") from exc
        await self._flush(wait)

    async def secure(
        self, context: ssl.SSLContext, server_name: str | None, wait: float | None = None
    ) -> ssl.SSLObject:
        """Do a TLS handshake. Raises ssl.SSLError when the peer refuses or speaks something else; Lost; Silent."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        if self._buffer:
            self._incoming.write(self._take(len(self._buffer)))
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush(wait)
                self._incoming.write(await self._receive(wait))
            except ssl.SSLError:
                with contextlib.suppress(Lost, Silent):
                    await self._flush(wait)  # the alert that says why we leave
                raise
            else:
                await self._flush(wait)
                self._tls = tls
                return tls

    async def _fill(self, wait: float | None) -> None:
        data = await (self._receive(wait) if self._tls is None else self._decrypt(self._tls, wait))
        self._buffer += data
        self.received += data[: max(0, KEPT - len(self.received))]

    async def _decrypt(self, tls: ssl.SSLObject, wait: float | None) -> bytes:
        while True:
            try:
                data = tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                await self._flush(wait)
                self._incoming.write(await self._receive(wait))
            except ssl.SSLError as exc:
                raise Lost(f"TLS ended: {exc.reason or 'without a reason'}.") from exc
            else:
                if data:
                    return data
                raise Lost("The peer closed the TLS session.")

    async def _receive(self, wait: float | None) -> bytes:
        if self._total >= MAX_BYTES:
            raise TooMuch(f"More than {MAX_BYTES} bytes in one conversation.")
        data = await self._within(asyncio.get_running_loop().sock_recv(self._sock, _CHUNK), wait)
        self._total += len(data)
        if not data:
            raise Lost("The peer closed the connection.")
        return data

    async def _flush(self, wait: float | None) -> None:
        if pending := self._outgoing.read():
            await self._transmit(pending, wait)

    async def _transmit(self, data: bytes, wait: float | None) -> None:
        await self._within(asyncio.get_running_loop().sock_sendall(self._sock, data), wait)

    async def _within(self, doing: Awaitable[T], wait: float | None) -> T:
        wait = max(0.0, min(self._patience if wait is None else wait, self._expires - time.monotonic()))
        try:
            async with asyncio.timeout(wait):
                return await doing
        except TimeoutError as exc:
            raise Silent(f"No answer within {wait:.1f} s.") from exc
        except OSError as exc:
            raise Lost(f"The connection broke: {exc.strerror or type(exc).__name__}.") from exc

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data
