"""This process's client of the broker's database: short time-outs, because its users have other things to do."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import NoScriptError
from redis.retry import Retry

from shared.broker import silence
from shared.errors import Infrastructure
from shared.settings import settings

TIMEOUT_S = 1.0

Value = str | bytes | int | float

_clients: dict[int, redis.Redis] = {}


class BrokerAway(Infrastructure):
    """The broker does not answer. Jobs are safe in the store; the reconciler sends them when it is back."""


@contextmanager
def answering() -> Iterator[redis.Redis]:
    """The client, for a block. Raises BrokerAway for whatever Redis raises in it."""
    try:
        with silence.heeded():
            yield client()
    except (redis.RedisError, OSError) as exc:
        raise BrokerAway("The broker does not answer.", cure="See that Redis runs: vedette doctor") from exc


def client() -> redis.Redis:
    """Return the client; each process has its own, because a socket must not be shared over a fork."""
    pid = os.getpid()
    if pid not in _clients:
        _clients.clear()
        _clients[pid] = redis.Redis.from_url(settings().broker_client_url, **_timeouts(silence.timeout_s(TIMEOUT_S)))
    return _clients[pid]


def forget() -> None:
    """Have the next `client` read the settings anew."""
    _clients.clear()


def connect(parameters: dict[str, Any]) -> redis.Redis:
    """Return a client with redis-py's connection parameters, its time-outs ours."""
    return redis.Redis(connection_pool=redis.ConnectionPool(**{**parameters, **TIMEOUTS}))


@dataclass(frozen=True)
class Script:
    """A Lua script, which Redis runs as one step.

    On a server that is full (`noeviction`) Redis refuses the first command of a script that may need memory, but none
    after a write. Scripts that only move what is there therefore begin with a write that takes none.
    """

    text: str
    _sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_sha", sha1(self.text.encode(), usedforsecurity=False).hexdigest())

    def run(self, client: redis.Redis, keys: Sequence[str], arguments: Sequence[Value] = ()) -> Any:  # noqa: ANN401
        """Run it. Raises redis.RedisError."""
        try:
            return client.evalsha(self._sha, len(keys), *keys, *arguments)
        except NoScriptError:  # the first time, and after the server restarted
            return client.eval(self.text, len(keys), *keys, *arguments)

    def add(self, pipe: Pipeline, keys: Sequence[str], arguments: Sequence[Value] = ()) -> None:
        """Have it run as part of a pipeline, in which `load` came before."""
        pipe.evalsha(self._sha, len(keys), *keys, *arguments)

    def load(self, pipe: Pipeline) -> None:
        """Have the server know it for the rest of a pipeline."""
        pipe.script_load(self.text)


def _timeouts(wait_s: float) -> dict[str, Any]:
    # A pooled socket that the server closed is opened again once; waiting for an answer is not repeated.
    once = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return {"socket_timeout": wait_s, "socket_connect_timeout": wait_s, "retry": once}


TIMEOUTS = _timeouts(TIMEOUT_S)
