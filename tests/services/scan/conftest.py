from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

import pytest

from services.scan.net import identify as identification
from services.scan.net import pace
from services.scan.net.identify import Identity, identify
from tests.services.scan.farm import Farm, Ports
from tests.services.scan.here import HERE
from tests.services.scan.starters import STARTERS

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="session")
def farm(request: pytest.FixtureRequest) -> Iterator[Farm]:
    """Real servers. Those that any collected test asks for start at once, next to each other."""
    farm = Farm(STARTERS)
    for item in request.session.items:
        for name in set(getattr(item, "fixturenames", ())) & set(STARTERS):
            farm.start(name)
    yield farm
    farm.stop()


def _server(name: str) -> Callable[[Farm], Ports]:
    @pytest.fixture(scope="session", name=name)
    def ports(farm: Farm) -> Ports:
        return farm.ports(name)

    return ports


for _name in STARTERS:
    globals()[f"{_name}_ports"] = _server(_name)


@pytest.fixture
def peer() -> Iterator[Callable[[Handler], int]]:
    """Start a small server of the test's own in another thread; return its port."""
    with ExitStack() as stack:
        yield lambda handler: stack.enter_context(_Peer(handler)).port


@pytest.fixture
def blackhole() -> Iterator[int]:
    """Return a port that drops what asks for it: a listener whose backlog is full, as the kernel treats it."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        stack.enter_context(socket.create_connection(listener.getsockname()))
        yield listener.getsockname()[1]


class _Peer:
    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._thread = threading.Thread(target=self._serve)
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> _Peer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._stopped = asyncio.Event()
        server = await asyncio.start_server(self._handle, sock=self._listener)
        await self._stopped.wait()
        server.close()
        if talking := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(talking, timeout=2)  # their clients have gone, so that they end by themselves

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.transport.abort()


@pytest.fixture
def less_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as long as loopback needs; a network needs more."""
    monkeypatch.setattr(identification, "GREETING_WAIT", 0.3)
    monkeypatch.setattr(identification, "PATIENCE", 1.0)
    monkeypatch.setattr(pace, "CONNECT_TIMEOUT", 0.3)


@pytest.fixture
def identified(less_patience: None) -> Callable[..., Identity]:
    """Identify what answers on a loopback port, asked for as `localhost`."""

    def identify_port(port: int, budget: float = 20.0) -> Identity:
        return asyncio.run(identify(HERE, port, "localhost", latency=0.0, budget=budget))

    return identify_port
