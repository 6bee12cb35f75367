"""Find out what answers on an open port, whatever its number.

The protocols usually met on the port come first, then the greeting is waited for, then everything that waits to be
spoken to is tried. What a server says to the wrong question leads to the right one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from services.scan import spans
from services.scan.net import tls
from services.scan.net.answer import NotSpoken, Service, evidence
from services.scan.net.connection import PATIENCE, Connection, Lost, Silent, TooMuch
from services.scan.net.dial import dial
from services.scan.net.services import expected, protocols, recognised
from services.scan.net.tls import Missed
from shared.contracts.kinds.host import TlsFacts
from shared.contracts.observation import Evidence, GapReason
from shared.egress import Destination

GREETING_WAIT = 1.5  # seconds for a greeting where none is expected
GUESS_PATIENCE = 1.0  # seconds at most for the answer to a guess
GUESS_LEAST = 0.25  # seconds at least; servers answer nonsense at once, so that beyond it the way counts
GUESS_ROUND_TRIPS = 20  # how many times the measured latency a guess is worth
BUDGET = 40.0  # seconds for one port in all: about ten guesses in clear, TLS, and the same inside
_GUESSED_FIRST = ("http", "redis", "memcached", "postgres")  # lines: most servers answer a wrong one with an error
_DEFAULT_PORTS = {80, 443}
_FAILURES = (NotSpoken, Lost, Silent, TooMuch)
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")
_ASKS_FOR_TLS = (
    b"HTTP request was sent to HTTPS port",
    b"HTTP request to an HTTPS server",
    b"speaking plain HTTP to an SSL",
)

Dialler = Callable[
    [float], Awaitable[Connection]
]  # given the patience (seconds), opens a connection in clear or in TLS


@dataclass
class Identity:
    """What is known of one open port. `missed`: why, and in words what, was not found out."""

    address: str
    port: int
    service: Service = field(default_factory=lambda: Service("unknown"))
    in_tls: bool = False
    tls: TlsFacts | None = None
    evidence: list[Evidence] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)


async def identify(
    where: Destination, port: int, host: str, *, latency: float = 0.1, budget: float = BUDGET
) -> Identity:
    """Return what answers on `port` of `where`. host: the name it was asked for by. latency, budget: seconds."""
    found = Identity(where.address, port)
    patience = min(GUESS_PATIENCE, max(GUESS_LEAST, GUESS_ROUND_TRIPS * latency))
    try:
        async with asyncio.timeout(budget):
            await _Inquiry(found, where, host, patience).run()
    except TimeoutError:
        found.missed.append((GapReason.TIMEOUT, f"identification was not done within {budget:.1f} s"))
    return found


class _Inquiry:
    def __init__(self, found: Identity, where: Destination, host: str, guess_patience: float) -> None:
        self.found = found
        self.where = where
        self.host = host
        self.guess_patience = guess_patience
        self.heard = b""
        name = f"[{host}]" if ":" in host else host
        self.authority = name if found.port in _DEFAULT_PORTS else f"{name}:{found.port}"

    async def run(self) -> None:
        port = self.found.port
        tls_first = bool(expected(port, tls=True))
        if tls_first and await self._inside_tls():
            return
        service = await self._ask(self._in_clear, expected(port, tls=False))
        if not tls_first and self._hints_at_tls(service) and await self._inside_tls():
            return
        if service is None:
            return
        self.found.service = service
        details = service.details
        if details.get("starttls") or details.get("tls_offered") or "tls" in details.get("protocols", ()):
            await self._starttls(service.name)

    def _hints_at_tls(self, service: Service | None) -> bool:
        """Whether TLS is worth a try: a TLS record or a web server's complaint was heard, or nothing at all."""
        if service is None:
            return not self.heard or self.heard.startswith(_TLS_RECORDS)
        return (
            service.page is not None
            and service.page.status == 400
            and any(text in self.heard for text in _ASKS_FOR_TLS)
        )

    async def _in_clear(self, patience: float) -> Connection:
        return await dial(self.where, self.found.port, patience=patience, authority=self.authority)

    async def _in_tls(self, patience: float) -> Connection:
        conn = await self._in_clear(patience)
        return await tls.secured(conn, tls.permissive(), self.host)

    async def _inside_tls(self) -> bool:
        """Look at TLS and at what speaks inside. False when the port does not speak TLS."""
        try:
            session = await self._inspect(lambda: self._in_clear(PATIENCE))
        except _FAILURES:
            return False
        self._keep(session)
        self.found.in_tls = True
        self.heard = b""
        self.found.evidence.clear()
        self.found.service = await self._ask(self._in_tls, expected(self.found.port, tls=True)) or self.found.service
        return True

    async def _starttls(self, name: str) -> None:
        begin = getattr(protocols()[name], "starttls", None)
        if begin is None:
            return

        async def ready() -> Connection:
            conn = await self._in_clear(PATIENCE)
            try:
                await begin(conn)
            except BaseException:
                conn.close()
                raise
            return conn

        try:
            self._keep(await self._inspect(ready, name))
        except _FAILURES as exc:
            self.found.missed.append((GapReason.ERROR, f"TLS inside {name}: {exc.message}"))

    async def _inspect(self, ready: tls.Ready, starttls: str = "") -> tls.Session:
        with self._told("TLS handshakes") as said:
            said["tls.established"] = False
            session = await tls.inspect(ready, self.found.address, self.found.port, self.host, starttls)
            said |= {"tls.established": True, "tls.cipher": session.facts.cipher}
            said |= {"tls.protocol.name": "tls", "tls.protocol.version": session.facts.version.removeprefix("TLSv")}
            return session

    def _keep(self, session: tls.Session) -> None:
        self.found.tls = session.facts
        self.found.missed += session.missed

    async def _ask(self, open_: Dialler, likely: list[str]) -> Service | None:
        """Try the likely protocols, then the greeting, then the rest. None when nothing is recognised."""
        known = protocols()
        for name in likely:
            if not known[name].GREETS and (service := await self._try(open_, name, PATIENCE)):
                return service
        waits = [getattr(known[name], "GREETING_WAIT", PATIENCE) for name in likely if known[name].GREETS]
        if (service := await self._greeting(open_, max(waits, default=GREETING_WAIT))) or self.heard:
            return service
        for name in dict.fromkeys((*_GUESSED_FIRST, *known)):
            if not known[name].GREETS and name not in likely:
                if service := await self._try(open_, name, PATIENCE if name == "http" else self.guess_patience):
                    return service
                if self.heard:
                    return None
        return None

    async def _greeting(self, open_: Dialler, wait: float) -> Service | None:
        try:
            async with await open_(PATIENCE) as conn:
                heard = await conn.peek(wait)
        except _FAILURES:
            return None
        return await self._follow(open_, heard, "greeting")

    async def _try(self, open_: Dialler, name: str, patience: float) -> Service | None:
        """Probe for one protocol. When it is another one, what was heard may tell which."""
        service, heard = await self._probe(open_, name, patience)
        if service is None:
            return await self._follow(open_, heard, f"answer to a {name} client", asked=name)
        self._remember(heard, name)
        return service

    async def _follow(self, open_: Dialler, heard: bytes, source: str, asked: str = "") -> Service | None:
        """Follow what a server said of itself to the protocol that it speaks."""
        if not heard:
            return None
        for name in recognised(heard):
            if name != asked:
                service, answer = await self._probe(open_, name, PATIENCE)
                if service is not None:
                    self._remember(answer, name)
                    return service
        if not self.heard:
            self._remember(heard, source)
        return None

    async def _probe(self, open_: Dialler, name: str, patience: float) -> tuple[Service | None, bytes]:
        with self._told("GET") as said:
            service, heard = await _probe(open_, name, patience)
            if service is not None and service.page is not None:
                said |= {"http.request.method": "GET", "http.response.status_code": service.page.status}
                said["url.scheme"] = "https" if self.found.in_tls else "http"
            return service, heard

    def _told(self, name: str) -> AbstractContextManager[spans.Said]:
        return spans.within(name, self.found.address, self.found.port)

    def _remember(self, heard: bytes, source: str) -> None:
        self.heard = heard
        self.found.evidence = [evidence(source, heard)]


async def _probe(open_: Dialler, name: str, patience: float) -> tuple[Service | None, bytes]:
    """Probe for one protocol. Return the service, if it is one, and all that was heard."""
    opened: list[Connection] = []

    async def another() -> Connection:
        opened.append(await open_(patience))
        return opened[-1]

    service: Service | None = None
    try:
        async with await another() as conn:
            service = await protocols()[name].probe(conn, another)
    except _FAILURES:
        service = None
    return service, b"".join(bytes(conn.received) for conn in opened)
