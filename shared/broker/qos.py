"""How messages end. Every way works over the process's own client, whatever became of the connection."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import structlog
from kombu.transport import redis as stock
from kombu.transport import virtual

from shared.broker.client import Value
from shared.broker.lease import Leases
from shared.broker.message import is_suspect

log = structlog.get_logger()


class Malformed(ValueError):
    """A message with a delivery tag whose other parts cannot be read."""

    def __init__(self, tag: str, cause: Exception) -> None:
        super().__init__(f"The message cannot be read: {type(cause).__name__}.")
        self.tag = tag


class Message(virtual.Message):
    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:  # noqa: ANN401  kombu's signature
        if _headers(payload).get("compression"):  # a megabyte may unpack to a thousand of them
            raise Malformed(payload["properties"]["delivery_tag"], ValueError("compressed"))
        try:
            super().__init__(payload, channel=channel, **options)
        except (ValueError, TypeError, LookupError, AttributeError) as exc:
            raise Malformed(payload["properties"]["delivery_tag"], exc) from exc


class QoS(stock.QoS):
    channel: Any  # ours: it has `leases`
    _delivered: OrderedDict[str, virtual.Message]
    _dirty: set[str]

    @cached_property
    def leases(self) -> Leases:
        own: Leases = self.channel.leases
        return own

    def can_consume(self) -> bool:
        """Whether there is room. Beside a suspect there is none: it runs alone (shared/broker/gate.py)."""
        if self.prefetch_count and self.leases.occupied >= self.prefetch_count:
            return False
        return not any(is_suspect(held.headers) for tag, held in self._delivered.items() if tag not in self._dirty)

    def append(self, message: virtual.Message, delivery_tag: str) -> None:
        virtual.QoS.append(self, message, delivery_tag)
        self.leases.hold(delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        self._ended(delivery_tag, self.leases.acknowledge(delivery_tag))

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if requeue:
            self.requeue(delivery_tag, counted=False)
        else:
            self.ack(delivery_tag)

    def requeue(self, tag: str, *, counted: bool, why: str = "") -> None:
        """Put a message back: next in turn; behind the others when its deliveries were lost more than once."""
        self._ended(tag, self.leases.put_back(tag, counted=counted, why=why))

    def dead_letter(self, tag: str, fields: Mapping[str, Value]) -> bool:
        """Move a message to the dead letters, in one step; later where Redis is away. False: it was ours no more.

        fields: those of `DeadLetterEntry.fields`; an empty `raw` is filled with the message as it lay in the queue.
        """
        return self._ended(tag, self.leases.dead_letter(tag, fields))

    def restore_unacked(self, client: Any = None) -> None:  # noqa: ANN401  kombu's signature
        """Give back what is held when the worker stops. When only the connection was lost, tasks go on running."""
        del client
        if is_stopping() and self.leases.is_of_this_process:  # a forked child has its parent's channels, too
            for tag in list(self._delivered):
                self.leases.put_back(tag, counted=False)
        else:
            self.leases.leave(list(self._delivered), _running)
        self._delivered.clear()

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:  # noqa: ANN401
        del client, leftmost
        self.leases.put_back(tag, counted=False)

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  kombu's signature
        """Nothing: leases and their sweep do this (shared/broker/sweep.py)."""

    def _ended(self, tag: str, was_ours: bool) -> bool:
        virtual.QoS.ack(self, tag)
        if not was_ours:
            log.warning("broker.message.not_held", tag=tag)
        return was_ours


def _running() -> set[str]:
    from celery.worker import state  # noqa: PLC0415  only a worker needs it

    return {request._message.delivery_tag for request in list(state.active_requests)}


def _headers(payload: dict[str, Any]) -> dict[str, Any]:
    headers = payload.get("headers")
    return headers if isinstance(headers, dict) else {}


def is_stopping() -> bool:
    """Whether this process is a worker that was told to stop."""
    from celery.worker import state  # noqa: PLC0415  only a worker needs it

    return any(asked is not None and asked is not False for asked in (state.should_stop, state.should_terminate))
