"""Asks about targets whose names must be resolved: so many at once, so long, and for so many requests.

A request that waits for name servers holds a thread, of which others need some, too. An organisation has half of the
places, so that its names alone do not keep others from submitting theirs.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

from shared.contracts.addresses import span
from shared.contracts.target import TargetModel
from shared.errors import Temporary

T = TypeVar("T")

OF_ALL, OF_ONE = 8, 4  # requests at a time; the gateway has 40 threads
WAITING_OF_ALL, WAITING_OF_ONE = 8, 4  # further ones that wait for a place, each with a thread
PATIENCE_S = 2.0
AT_ONCE = 8  # names of one request
ALL_TIMEOUT_S = 20.0  # for all names of one request


class NamesBusy(Temporary):
    """As many requests as may wait for name servers are waiting for them."""

    headers = {"Retry-After": "5"}  # seconds; as long as a name may take


class TooManyNames(NamesBusy):
    """As many requests of this organisation as may wait for name servers are waiting for them."""

    status = 429


class Turns:
    """The places of one gateway."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._resolving: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def turn(self, org_id: str) -> Iterator[None]:
        """Hold a place for the block. Raises TooManyNames and NamesBusy, after `PATIENCE_S` at most."""
        with self._free:
            if not self._is_free(org_id):
                self._wait(org_id)
            self._resolving[org_id] += 1
        try:
            yield
        finally:
            with self._free:
                self._resolving[org_id] -= 1
                self._free.notify_all()

    def _wait(self, org_id: str) -> None:
        if self._waiting[org_id] >= WAITING_OF_ONE or self._waiting.total() >= WAITING_OF_ALL:
            raise self._refusal(org_id)
        self._waiting[org_id] += 1
        try:
            if not self._free.wait_for(lambda: self._is_free(org_id), PATIENCE_S):
                raise self._refusal(org_id)
        finally:
            self._waiting[org_id] -= 1

    def _is_free(self, org_id: str) -> bool:
        return self._resolving[org_id] < OF_ONE and self._resolving.total() < OF_ALL

    def _refusal(self, org_id: str) -> NamesBusy:
        cure = "Try again in a moment, or give addresses in place of names."
        if self._resolving[org_id] >= OF_ONE or self._waiting[org_id] >= WAITING_OF_ONE:
            return TooManyNames("Too many requests of the organisation wait for name servers.", cure=cure)
        return NamesBusy("Too many requests wait for name servers.", cure=cure)


turn = Turns().turn


def of_each(org_id: str, targets: Mapping[str, TargetModel], ask: Callable[[str], T]) -> dict[str, T]:
    """Return what `ask` says of each target, by its key. Those of which nothing is known in time are missing.

    Raises what `ask` raises first, TooManyNames and NamesBusy.
    """
    named = [key for key, target in targets.items() if any(span(host) is None for host in target.hosts)]
    found = {key: ask(key) for key in targets.keys() - set(named)}
    if named:
        with turn(org_id):
            found |= {named[0]: ask(named[0])} if len(named) == 1 else _by_threads(named, ask)
    return found


def _by_threads(keys: Sequence[str], ask: Callable[[str], T]) -> dict[str, T]:
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="names")
    try:
        tasks = {key: pool.submit(ask, key) for key in keys}
        wait(tasks.values(), ALL_TIMEOUT_S, FIRST_EXCEPTION)
        return {key: task.result() for key, task in tasks.items() if task.done()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
