"""Whether the audit of an organisation is what was written: its chain, its seals, and the head that ends it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from shared.contracts.audit import Flaw, Verification
from shared.keyring import StaleKey
from shared.store import chain
from shared.store.tables import audit, audit_heads

AT_ONCE = 2000  # entries of one page: about 0.1 s


class _Found(Exception):
    def __init__(self, flaw: Flaw, seq: int, detail: str) -> None:
        super().__init__(detail)
        self.flaw, self.seq, self.detail = flaw, seq, detail


def verify(
    connection: Connection, org_id: str, *, after: int = 0, limit: int = AT_ONCE, known: str = ""
) -> Verification:
    """Check up to `limit` entries after the one at `after`, and at the end of the chain its head.

    known: a hash that was the newest once: it must still stand in the chain, else its end was cut off and written anew.
    """
    walk = _Walk(connection, org_id, after)
    try:
        more = walk.go(limit)
        if not more:
            walk.end(known)
    except _Found as found:
        said: dict[str, Any] = {"flaw": found.flaw, "seq": found.seq, "detail": found.detail}
        return walk.verdict(ok=False, **said)
    return walk.verdict(ok=True, next=walk.last if more else None)


class _Walk:
    def __init__(self, connection: Connection, org_id: str, after: int) -> None:
        self._connection = connection
        self._org_id = org_id
        self.last, self._hash = after, self._hash_at(after)
        self._checked = self._unsealed = 0

    def go(self, limit: int) -> bool:
        """Check entries; return whether there may be more. Raises _Found at the first that is wrong."""
        query = select(audit).where(audit.c.org_id == self._org_id, audit.c.seq > self.last)
        rows = self._connection.execute(query.order_by(audit.c.seq).limit(limit)).mappings().all()
        for row in rows:
            self._check(row)
            self.last, self._hash = row["seq"], row["hash"]
            self._checked += 1
        return len(rows) == limit

    def end(self, known: str) -> None:
        """Compare the last entry with what the head says. Raises _Found."""
        query = select(audit_heads).where(audit_heads.c.org_id == self._org_id)
        head = self._connection.execute(query).mappings().one_or_none()
        if head is None:
            if self.last:
                raise _Found(Flaw.CUT_OFF, self.last, "What says how long the chain is, is gone.")
        elif not self._is_sealed(chain.head(head["seq"], head["hash"]), head["seal"], unknown=False):
            raise _Found(Flaw.CUT_OFF, self.last, "What says how long the chain is, was not written by us.")
        elif (head["seq"], head["hash"]) != (self.last, self._hash):
            raise _Found(Flaw.CUT_OFF, self.last + 1, f"There were {head['seq']} entries, and {self.last} are there.")
        if known and not self._stands(known):
            raise _Found(Flaw.CUT_OFF, self.last + 1, "The entry that was known is not there any more.")

    def verdict(self, **said: Any) -> Verification:  # noqa: ANN401  fields of the model
        counts = {"checked": self._checked, "unsealed": self._unsealed, "last": self.last, "hash": self._hash}
        return Verification.model_validate(counts | said)

    def _check(self, row: RowMapping) -> None:
        seq = row["seq"]
        if chain.digest(dict(row), row["previous_hash"]) != row["hash"]:
            raise _Found(Flaw.CHANGED, seq, "It is not what its hash is of.")
        if not self._is_sealed(row["hash"], row["seal"], unknown=True):
            raise _Found(Flaw.CHANGED, seq, "It was not written by this installation.")
        if seq == self.last + 1 and row["previous_hash"] == self._hash:
            return
        if row["previous_hash"] != chain.BROKEN and self._stands(row["previous_hash"]):
            raise _Found(Flaw.REORDERED, seq, "It was written after another entry than the one before it.")
        raise _Found(Flaw.REMOVED, self.last + 1, f"What stood before entry {seq} is gone.")

    def _is_sealed(self, what: str, seal: str, *, unknown: bool) -> bool:
        """unknown: what is said of a seal whose key is gone. The head's seal holds for all hashes before it."""
        try:
            return chain.is_sealed(self._org_id, what, seal)
        except StaleKey:
            self._unsealed += 1
            return unknown

    def _stands(self, hash_: str) -> bool:
        query = select(func.count()).where(audit.c.org_id == self._org_id, audit.c.hash == hash_)
        return hash_ == chain.START or bool(self._connection.execute(query).scalar())

    def _hash_at(self, seq: int) -> str:
        query = select(audit.c.hash).where(audit.c.org_id == self._org_id, audit.c.seq == seq)
        return self._connection.execute(query).scalar() or chain.START
