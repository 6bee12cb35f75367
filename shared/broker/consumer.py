"""Celery's consumer, made to drop nothing and to survive everything that can lie in a queue.

What no task can be made of becomes a dead letter. Celery would discard it, or end the worker, whose successor would
find the message again. Why: docs/decisions/0015. What is relied on in Celery: tests/shared/broker/test_contract.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import redis
import structlog
from celery.worker import consumer as stock
from kombu.message import Message

from shared.broker.gate import Gate
from shared.broker.letter import bury, refuse
from shared.broker.sealing import check_place, open_message
from shared.broker.shape import Unsound, check, check_is_task
from shared.contracts.dead_letter import ErrorDetail, Reason
from shared.dlq import detail
from shared.errors import FailureClass
from shared.keyring import Unverified

log = structlog.get_logger()

_StockConsumer: Any = stock.Consumer  # its stubs lack half of it
_PAUSES = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2.0}  # seconds between attempts to connect
_AWAY = (redis.ConnectionError, redis.TimeoutError)


class Consumer(_StockConsumer):  # type: ignore[misc]  # it has no types
    """The consumer of every worker (`worker_consumer`)."""

    def __init__(self, on_task_request: Callable[[Any], object], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        self.gate = Gate(on_task_request)
        super().__init__(self.gate.enter, *args, **kwargs)

    def on_close(self) -> None:
        self.gate.clear()
        super().on_close()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], None]:  # noqa: ANN401
        receive = super().create_task_handler(*args, **kwargs)

        def receive_safely(message: Message) -> None:
            try:
                check_is_task(message)
                open_message(message)  # before anything else that it says is believed
                check(message, self.strategies)
                check_place(message)
                receive(message)
            except Unverified as exc:
                self._refuse(message, exc)
            except Unsound as exc:
                self._bury(message, exc.reason, ErrorDetail(type=exc.type, message=exc.message))
            except _AWAY:  # Celery connects anew; the message is still ours
                raise
            except Exception as exc:  # noqa: BLE001  whatever it is, the next worker would meet it again
                self._bury(message, Reason.MALFORMED, detail(exc))

        return receive_safely

    def ensure_connected(self, conn: Any) -> Any:  # noqa: ANN401  a kombu Connection
        """Try every two seconds at least. Celery's pauses grow to half a minute, and a broker may be back by then."""
        conn.ensure_connection = partial(conn.ensure_connection, **_PAUSES)
        return super().ensure_connected(conn)

    def on_unknown_message(self, body: object, message: Message) -> None:
        del body
        self._bury(message, Reason.NOT_A_TASK, ErrorDetail(message="The message is no task."))

    def on_unknown_task(self, body: object, message: Message, exc: Exception) -> None:
        del body
        self._bury(message, Reason.UNREGISTERED, detail(exc))

    def on_invalid_task(self, body: object, message: Message, exc: Exception) -> None:
        del body
        self._bury(message, Reason.INVALID, detail(exc))

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        self._bury(message, Reason.UNDECODABLE_BODY, detail(exc))

    def _refuse(self, message: Message, why: Unverified) -> None:
        log.error("worker.message.unverified", reason=why.code, error=why.message[:200], tag=message.delivery_tag)
        refuse(message, why, worker=self.hostname)

    def _bury(self, message: Message, reason: Reason, error: ErrorDetail) -> None:
        log.error("worker.message.refused", reason=reason, error=error.message[:200], tag=message.delivery_tag)
        if not message.acknowledged:
            bury(
                message,
                reason=reason,
                failure_class=FailureClass.PERMANENT,
                rule=f"message: {reason}",
                error=error,
                worker=self.hostname,
            )
