"""Batches on the bus: packed, sealed for their organisation, and opened again. Bounded in number and in bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import redis
import structlog

from shared import bus, codec
from shared.contracts.record import RecordBatch
from shared.errors import VedetteError
from shared.ids import new_id
from shared.packing import packed, unpacked
from shared.text import kept

log = structlog.get_logger()

STREAM = "vedette:records"
MAXLEN = 20_000  # batches kept for a control process that is away, about 30 MB
FULL = 256 * 1024 * 1024  # bytes in the stream from which on the oldest goes, however few batches there are
LARGEST = 8 * 1024 * 1024  # bytes of a batch, unpacked
_PURPOSE = "record"


def send(batches: Sequence[RecordBatch | Mapping[str, Any]]) -> None:
    """Send batches. A bus that is away is logged, never an error."""
    try:
        bus.send([_command(*piece) for batch in batches for piece in _pieces(batch)])
    except (redis.RedisError, OSError, VedetteError) as exc:
        log.warning("spool.send.failed", batches=len(batches), error=type(exc).__name__)


def opened(fields: Mapping[bytes, bytes]) -> RecordBatch:
    """Return the batch in an entry of the stream.

    Raises codec.Unsigned, codec.BadSignature or keyring.StaleKey where this installation has not written it so, and
    ValueError where it is no batch.
    """
    org_id = fields.get(b"org", b"").decode("utf-8", "replace")
    sealed = codec.unseal_bytes(_PURPOSE, fields.get(b"sealed", b""), org_id)
    batch = RecordBatch.model_validate_json(unpacked(sealed, LARGEST))
    if batch.org_id != org_id:
        raise ValueError("The batch is of another organisation than it says.")
    return batch


def _command(org_id: str, sealed: bytes) -> tuple[str | int | bytes, ...]:
    most = max(min(MAXLEN, FULL // len(sealed)), 1)
    return "XADD", STREAM, "MAXLEN", "~", most, "*", "org", org_id, "sealed", sealed


def _pieces(batch: RecordBatch | Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield a batch as organisation and sealed text: in halves where it is larger than `opened` takes."""
    plain = batch.model_dump(mode="json") if isinstance(batch, RecordBatch) else batch
    org_id, spans, lines = plain["org_id"], plain.get("spans", []), plain.get("lines", [])
    try:
        # Half a surrogate pair in one attribute would else cost the whole batch, where it is taken in.
        text = kept(json.dumps(plain, ensure_ascii=False, separators=(",", ":"))).encode()
    except (TypeError, ValueError):  # an attribute that a library or a plug-in made of something odd
        text = b""
    if text and len(text) <= LARGEST:
        yield org_id, codec.seal_bytes(_PURPOSE, packed(text), org_id)
    elif len(spans) <= 1 and len(lines) <= 1:
        log.warning("spool.record.unfit", spans=len(spans), lines=len(lines))
    else:
        one, other = (len(spans) + 1) // 2, (len(lines) + 1) // 2
        yield from _pieces({**plain, "spans": spans[:one], "lines": lines[:other]})
        rest = {"id": new_id(), "spans": spans[one:], "lines": lines[other:], "dropped": 0, "unsaid": 0}
        yield from _pieces({**plain, **rest})
