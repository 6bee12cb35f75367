"""Every task message is sealed where it is sent and opened where it comes in; Celery never sees a sealed one.

Whatever way a task is sent, it goes through a producer of the app's pool, which is ours. What is relied on in Celery
and kombu: tests/shared/broker/test_contract.py. Why: docs/decisions/0023.
"""

from __future__ import annotations

from typing import Any

import kombu
from celery.app import amqp as stock
from kombu import pools
from kombu.message import Message

from shared import codec
from shared.broker.shape import STAGE_TASKS
from shared.keyring import Unverified

_TELLING = ("argsrepr", "kwargsrepr")  # headers in which Celery repeats the arguments, for its logs

_StockProducer: Any = kombu.Producer
_StockProducers: Any = pools.Producers
_StockAMQP: Any = stock.AMQP
_pools: Any = pools


class Misplaced(Unverified):
    """A message of this installation whose body is of another job or organisation than it says of itself."""


class Producer(_StockProducer):  # type: ignore[misc]  # it has no types
    """Seals the messages of tasks; what else is published (nothing, as Vedette is set up) goes as it is."""

    def _prepare(
        self,
        body: Any,  # noqa: ANN401  kombu's signature
        serializer: Any = None,  # noqa: ANN401
        content_type: Any = None,  # noqa: ANN401
        content_encoding: Any = None,  # noqa: ANN401
        compression: Any = None,  # noqa: ANN401
        headers: Any = None,  # noqa: ANN401
    ) -> tuple[Any, Any, Any]:
        given = (serializer, content_type, content_encoding, compression, headers)
        plain, plain_type, encoding = super()._prepare(body, *given)
        if not headers or "task" not in headers:
            return plain, plain_type, encoding
        for name in _TELLING:
            headers.pop(name, None)
        job_id, org_id, _ = _owner(body)
        sealed = codec.seal(plain if isinstance(plain, bytes) else plain.encode(), headers, job_id, org_id)
        return sealed, codec.SEALED, "binary"


class _Producers(_StockProducers):  # type: ignore[misc]
    def create(self, connection: Any, limit: Any) -> Any:  # noqa: ANN401  kombu's signature
        return _pools.ProducerPool(_pools.connections[connection], limit=limit, Producer=Producer)


_producers: Any = _pools.register_group(_Producers(limit=_pools.use_global_limit))


class AMQP(_StockAMQP):  # type: ignore[misc]
    """The app's way to its broker (`amqp`)."""

    Producer = Producer
    _producer_pool: Any = None

    @property
    def producer_pool(self) -> Any:  # noqa: ANN401
        if self._producer_pool is None:
            self._producer_pool = _producers[self.app.connection_for_write()]
            self._producer_pool.limit = self.app.pool.limit
        return self._producer_pool


def open_message(message: Message) -> None:
    """Make of a message that came in the plain JSON that Celery expects.

    Raises codec.Unsigned, codec.BadSignature and keyring.StaleKey; then the message is as it was.
    """
    into: Any = message  # its stubs know bodies of text alone
    opened = codec.unseal(message.body, message.content_type, into.headers)
    into.body, into.content_type, into.content_encoding = opened.body, codec.JSON, "utf-8"


def check_place(message: Message) -> None:
    """Return where a message that was opened, and can be worked with, is of what it says it is of. Raises Misplaced."""
    headers: dict[str, Any] = message.headers
    stage = STAGE_TASKS.get(headers["task"])
    if stage is None:
        return
    job_id, org_id, part = _owner(message.payload)
    step = ".".join(filter(None, (job_id, stage, part)))
    if (headers[codec.JOB], headers[codec.ORG], headers["id"]) != (job_id, org_id, step):
        raise Misplaced("The message is of another job, organisation or stage than its body.")


def _owner(body: Any) -> tuple[str, str, str]:  # noqa: ANN401
    """Return the job, organisation and part (empty: a whole stage) that a task's arguments are of."""
    try:
        envelope = body[0][0]
        return str(envelope["job_id"]), str(envelope["org_id"]), str(envelope.get("part") or "")
    except (TypeError, LookupError, AttributeError):
        return "", "", ""
