"""What this process holds of a broker, and the thread that keeps it held.

Messages that ended while Redis was away or full are ended once it answers; until then their leases are renewed like
those of running ones, so that nobody else begins them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial

import redis
import structlog

from shared.broker import holding
from shared.broker.client import Value
from shared.broker.sweep import Sweep

log = structlog.get_logger()

BEATS = 8  # looks in the span of a lease; every second one renews
_FAILED = (redis.RedisError, OSError)


class Leases:
    """The messages in the hands of this process."""

    def __init__(self, client: redis.Redis, lease_s: float) -> None:
        self._client = client
        self._pid = os.getpid()
        self._lease_s = lease_s
        self._sweep = Sweep(client, lease_s)
        self._held: dict[str, None] = {}
        self._left: dict[str, float] = {}  # tag -> monotonic, when it was last seen running
        self._running: Callable[[], Collection[str]] = tuple
        self._deferred: dict[str, Callable[[], bool]] = {}
        self._consumers = 0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._is_away = False
        self._renewed = 0.0  # monotonic

    @property
    def client(self) -> redis.Redis:
        """The client that acknowledges; it outlives the connection that a message came by."""
        return self._client

    @property
    def is_of_this_process(self) -> bool:
        return self._pid == os.getpid()

    @property
    def occupied(self) -> int:
        """Messages that are being worked on, also those of a connection that was lost since."""
        return len(self._held)

    def hold(self, tag: str) -> None:
        """Keep the lease of a claimed message until it ends."""
        self._held[tag] = None
        self._start()

    def acknowledge(self, tag: str) -> bool:
        """End a message that is done with. False: it was ours no more."""
        return self._end(tag, partial(holding.acknowledge, self._client, tag))

    def dead_letter(self, tag: str, fields: Mapping[str, Value]) -> bool:
        """Move a message to the dead letters. False: it was ours no more."""
        return self._end(tag, partial(holding.bury, self._client, tag, dict(fields)))

    def put_back(self, tag: str, *, counted: bool, why: str = "") -> bool:
        """Put a message back into its queue. False: it was ours no more."""
        return self._end(tag, partial(holding.put_back, self._client, tag, counted=counted, why=why))

    def consume(self, *, begins: bool) -> None:
        """Note that a channel begins or ceases to consume: while one does, this process looks after lost messages."""
        self._consumers += 1 if begins else -1
        if begins:
            self._start()

    def leave(self, tags: Collection[str], running: Callable[[], Collection[str]]) -> None:
        """Note that the connection that brought these messages was lost.

        Those that are running, as `running` says, go on. Celery has dropped the others, also those that wait for
        their time; they go back to their queues when they were not seen running for half a lease.
        """
        self._left.update(dict.fromkeys(tags, time.monotonic()))
        self._running = running

    def beat(self) -> None:
        """Renew what is due, end what was deferred, give back what nobody holds. Raises redis.RedisError.

        What Redis refuses to end is told of last: the other messages' leases must not run out for its sake.
        """
        if time.monotonic() - self._renewed >= self._lease_s * 2 / BEATS * 0.9:
            self._renew()
        refused = self._end_deferred()
        if self._left:
            self._give_back_what_was_dropped()
        self._sweep.look()
        if refused is not None:
            raise refused

    def _end(self, tag: str, end: Callable[[], bool]) -> bool:
        self._held.pop(tag, None)
        if not self._is_away:
            try:
                return end()
            except _FAILED as exc:
                log.warning("broker.end.deferred", error=type(exc).__name__, message=str(exc)[:200])
                self._is_away = True
        self._deferred[tag] = end  # the thread is the only one who waits for Redis
        self._start()
        self._woken.set()
        return True

    def _end_deferred(self) -> Exception | None:
        """Try to end what was deferred; return why one of them could not be ended."""
        refused = None
        for tag, end in list(self._deferred.items()):
            try:
                end()
            except (redis.ConnectionError, redis.TimeoutError, OSError):
                raise
            except Exception as exc:  # noqa: BLE001  a message of which nobody knows how to end it stays held
                refused = exc
            else:
                self._deferred.pop(tag, None)
        return refused

    def _renew(self) -> None:
        lost = holding.renew(self._client, list({**self._held, **self._deferred}))
        self._renewed = time.monotonic()
        for tag in lost:
            if tag in self._held:  # else it ended meanwhile
                self._held.pop(tag, None)
                log.warning("broker.lease.lost", tag=tag)

    def _give_back_what_was_dropped(self) -> None:
        running, now = self._running(), time.monotonic()
        for tag, since in list(self._left.items()):
            if tag not in self._held:
                del self._left[tag]
            elif tag in running:
                self._left[tag] = now
            elif now - since >= self._lease_s / 2:
                del self._left[tag]
                log.warning("broker.message.dropped", tag=tag)
                self.put_back(tag, counted=False)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not (self._consumers > 0 or self._held or self._deferred):
                    self._thread = None
                    return
            self._try_beat()
            self._woken.wait(self._lease_s / BEATS)
            self._woken.clear()

    def _try_beat(self) -> None:
        try:
            self.beat()
        except Exception as exc:  # noqa: BLE001  a thread that ended would let every lease run out
            if not self._is_away:
                log.warning("broker.leases.stuck", error=type(exc).__name__, message=str(exc)[:200])
            self._is_away = True
        else:
            if self._is_away:
                log.info("broker.leases.renewed")
            self._is_away = False


_leases: dict[tuple[object, ...], Leases] = {}


def leases(place: tuple[object, ...], connect: Callable[[], redis.Redis], lease_s: float) -> Leases:
    """Return this process's leases at a broker. place: what tells it from others.  A fork begins with none."""
    key = (os.getpid(), *place, lease_s)
    if key not in _leases:
        for inherited in [other for other in _leases if other[0] != os.getpid()]:
            del _leases[inherited]
        _leases[key] = Leases(connect(), lease_s)
    return _leases[key]
