"""Whoever can write to the database, but has no master key, changes no line of the audit unnoticed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from shared import keyring
from shared.contracts.audit import Flaw, Verification
from shared.settings import settings as current
from shared.store import audit, chain, proof
from shared.store.engine import DatabaseAway, engine, reading, writing
from shared.store.reseal import reseal
from shared.store.tables import audit as entries
from shared.store.tables import audit_heads as heads
from tests.shared.store.making import ORG

COUNT = 6
TEXTS = ("actor", "address", "action", "subject", "reason", "trace_id", "previous_hash", "hash", "seal")


@pytest.fixture
def written(database: str) -> None:
    """Some entries, with a neighbour's among them."""
    with writing() as connection:
        for number in range(COUNT):
            audit.add(connection, ORG, "token", "queue.pause", f"queue:{number}", before={"n": number}, share=0.1)
            audit.add(connection, "other", "token", "queue.pause", f"queue:{number}")
    if engine().dialect.name == "sqlite":
        with writing() as connection:
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER audit_refuses_{verb}"))


class _Undone(Exception):
    pass


def _undo() -> None:
    raise _Undone


@contextmanager
def tampering() -> Iterator[Connection]:
    """A transaction of somebody who may do everything to the database; it is undone."""
    try:
        with writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL session_replication_role = replica"))
            yield connection
            _undo()
    except _Undone:
        pass


def verify(connection: Connection, **asked: Any) -> Verification:
    return proof.verify(connection, ORG, **asked)


def place(seq: int) -> Any:
    return (entries.c.org_id == ORG) & (entries.c.seq == seq)


def row(connection: Connection, seq: int) -> dict[str, Any]:
    return dict(connection.execute(select(entries).where(place(seq))).mappings().one())


def renumber(connection: Connection, seq: int, to: int) -> None:
    connection.execute(update(entries).where(place(seq)).values(seq=to))


def flaw(connection: Connection) -> tuple[Flaw | None, int | None]:
    found = verify(connection)
    assert found.ok is (found.flaw is None)
    return found.flaw, found.seq


@pytest.mark.usefixtures("written")
def test_what_was_written_is_right_in_one_go_and_in_pages() -> None:
    with reading() as connection:
        found = verify(connection)
        assert (found.ok, found.checked, found.last, found.next) == (True, COUNT, COUNT, None)
        first = verify(connection, limit=4)
        assert (first.ok, first.checked, first.next) == (True, 4, 4)
        assert verify(connection, after=4, limit=4) == found.model_copy(update={"checked": 2})
        assert verify(connection, known=first.hash).ok
        assert proof.verify(connection, "nobody").ok


@pytest.mark.parametrize("verb", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
def test_the_database_itself_refuses_to_change_and_to_remove(database: str, verb: str) -> None:
    with writing() as connection:
        audit.add(connection, ORG, "token", "queue.pause")
    with pytest.raises((DBAPIError, DatabaseAway), match="append-only"), writing() as connection:
        connection.execute(text(verb))


@pytest.mark.usefixtures("written")
def test_each_way_of_tampering_is_named_with_its_place() -> None:
    with tampering() as connection:
        connection.execute(update(entries).where(place(3)).values(after={"n": 9}))
        assert flaw(connection) == (Flaw.CHANGED, 3)
    with tampering() as connection:
        connection.execute(delete(entries).where(place(3)))
        assert flaw(connection) == (Flaw.REMOVED, 3)
    with tampering() as connection:  # and those after it moved up, so that none seems to lack
        connection.execute(delete(entries).where(place(3)))
        for seq in range(4, COUNT + 1):
            renumber(connection, seq, seq - 1)
        assert flaw(connection) == (Flaw.REMOVED, 3)
    with tampering() as connection:
        for seq, to in ((2, 99), (3, 2), (99, 3)):
            renumber(connection, seq, to)
        assert flaw(connection) == (Flaw.REORDERED, 2)
    with tampering() as connection:
        connection.execute(delete(entries).where(entries.c.org_id == ORG, entries.c.seq > 4))
        assert flaw(connection) == (Flaw.CUT_OFF, 5)


@pytest.mark.usefixtures("written")
def test_an_entry_that_somebody_made_up_with_the_right_hash_lacks_the_seal() -> None:
    with tampering() as connection:
        last = row(connection, COUNT)
        made = {**last, "id": 10_000, "seq": COUNT + 1, "actor": "user:ann@example.org", "previous_hash": last["hash"]}
        made["hash"] = chain.digest(made, last["hash"])
        connection.execute(insert(entries), made)
        connection.execute(update(heads).where(heads.c.org_id == ORG).values(seq=COUNT + 1, hash=made["hash"]))
        assert flaw(connection) == (Flaw.CHANGED, COUNT + 1)
    with tampering() as connection:  # a whole chain written anew, as it can be without a key
        previous = chain.START
        for seq in range(1, COUNT + 1):
            forged = row(connection, seq) | {"actor": "nobody"}
            previous, before = chain.digest(forged, previous), previous
            said = {"actor": "nobody", "previous_hash": before, "hash": previous}
            connection.execute(update(entries).where(place(seq)).values(**said))
        assert flaw(connection) == (Flaw.CHANGED, 1)


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("head", ["gone", "moved back", "of a key that is gone"])
def test_a_cut_tail_stays_noticed_when_the_chain_goes_on(head: str) -> None:
    with tampering() as connection:
        connection.execute(delete(entries).where(entries.c.org_id == ORG, entries.c.seq > 4))
        kept = {"seq": 4, "hash": row(connection, 4)["hash"]}
        mine = heads.c.org_id == ORG
        if head == "gone":
            connection.execute(delete(heads).where(mine))
        else:
            forged = {"seal": f"k0:{'0' * 64}"} if head == "of a key that is gone" else {}
            connection.execute(update(heads).where(mine).values(**kept, **forged))
        assert flaw(connection)[0] is Flaw.CUT_OFF
        audit.add(connection, ORG, "token", "queue.resume")
        assert flaw(connection) == (Flaw.REMOVED, 5)
        audit.add(connection, ORG, "token", "queue.resume")
        assert flaw(connection) == (Flaw.REMOVED, 5)


@pytest.mark.usefixtures("written")
def test_an_audit_that_was_set_back_whole_is_noticed_by_who_kept_a_hash() -> None:
    with reading() as connection:
        old = dict(connection.execute(select(heads).where(heads.c.org_id == ORG)).mappings().one())
    with tampering() as connection:
        audit.add(connection, ORG, "token", "queue.resume")
        known = verify(connection).hash
        connection.execute(delete(entries).where(place(COUNT + 1)))
        connection.execute(update(heads).where(heads.c.org_id == ORG).values(**old))
        assert verify(connection).ok
        assert verify(connection, known=known).flaw is Flaw.CUT_OFF


@pytest.mark.usefixtures("written")
def test_entries_sealed_with_a_key_that_was_dropped_hold_by_the_head(fresh_settings: pytest.MonkeyPatch) -> None:
    with reading() as connection:
        before = verify(connection)
    rotated = "k9:" + "A" * 43 + "="
    old = os.environ["VEDETTE_MASTER_KEY"]
    fresh_settings.setenv("VEDETTE_MASTER_KEY", f"{rotated},{old}")
    _reread()
    with writing() as connection:
        audit.add(connection, ORG, "token", "queue.resume")
    fresh_settings.setenv("VEDETTE_MASTER_KEY", rotated)
    _reread()
    with reading() as connection:
        found = verify(connection)
    assert (before.unsealed, found.ok, found.unsealed, found.checked) == (0, True, COUNT, COUNT + 1)


@pytest.mark.usefixtures("written")
def test_the_audit_of_who_does_nothing_outlives_a_key_when_its_head_is_sealed_anew(
    fresh_settings: pytest.MonkeyPatch,
) -> None:
    fresh_settings.setenv("VEDETTE_MASTER_KEY", f"k9:{'A' * 43}=,{os.environ['VEDETTE_MASTER_KEY']}")
    _reread()
    with writing() as connection:
        connection.execute(update(heads).where(heads.c.org_id == "other").values(seq=COUNT - 1))
    assert reseal() == (1, 1)
    assert reseal() == (0, 1)
    fresh_settings.setenv("VEDETTE_MASTER_KEY", f"k9:{'A' * 43}=")
    _reread()
    with reading() as connection:
        assert verify(connection).ok
        assert proof.verify(connection, "other").flaw is Flaw.CUT_OFF


def _reread() -> None:
    current.cache_clear()
    keyring.forget()


deeds = st.one_of(
    st.tuples(st.just("set"), st.integers(1, COUNT), st.sampled_from(TEXTS), st.text("ab0:", max_size=4)),
    st.tuples(st.just("detail"), st.integers(1, COUNT), st.dictionaries(st.text("ab", max_size=2), st.floats(0, 1))),
    st.tuples(st.just("delete"), st.integers(1, COUNT)),
    st.tuples(st.just("swap"), st.integers(1, COUNT), st.integers(1, COUNT)),
    st.tuples(st.just("copy"), st.integers(1, COUNT), st.integers(1, COUNT + 2)),
    st.tuples(st.just("head"), st.integers(0, COUNT + 1)),
)


def _do(connection: Connection, deed: tuple[Any, ...]) -> None:
    match deed:
        case "set", seq, column, value:
            connection.execute(update(entries).where(place(seq)).values({column: value}))
        case "detail", seq, value:
            connection.execute(update(entries).where(place(seq)).values(detail=value))
        case "delete", seq:
            connection.execute(delete(entries).where(place(seq)))
        case "swap", seq, other:
            for one, to in ((seq, 99), (other, seq), (99, other)):
                renumber(connection, one, to)
        case "copy", seq, to:
            found = connection.execute(select(entries).where(place(seq))).mappings().one_or_none()
            if found:
                connection.execute(delete(entries).where(place(to)))
                connection.execute(insert(entries), {**found, "id": None, "seq": to} | _fresh(connection))
        case "head", seq:
            connection.execute(update(heads).where(heads.c.org_id == ORG).values(seq=seq))


def _fresh(connection: Connection) -> dict[str, int]:
    return {"id": int(connection.execute(text("SELECT max(id) FROM audit")).scalar() or 0) + 1}


def _all(connection: Connection) -> list[Any]:
    """What there is of ORG; the number of a row says nothing."""
    mine = connection.execute(select(entries).where(entries.c.org_id == ORG).order_by(entries.c.seq)).mappings()
    rows = [{name: value for name, value in found.items() if name != "id"} for found in mine]
    return [rows, connection.execute(select(heads).where(heads.c.org_id == ORG)).all()]


@pytest.mark.usefixtures("written")
def test_an_entry_without_a_seal_is_told_from_one_whose_key_is_gone() -> None:
    with tampering() as connection:
        connection.execute(update(entries).where(place(1)).values(seal=""))
        assert flaw(connection) == (Flaw.CHANGED, 1)
    with tampering() as connection:  # what it says is held by the head all the same, and it is counted
        connection.execute(update(entries).where(place(1)).values(seal=f"k0:{'0' * 64}"))
        assert (verify(connection).ok, verify(connection).unsealed) == (True, 1)


@pytest.mark.usefixtures("written")
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=st.lists(deeds, min_size=1, max_size=4))
def test_whatever_is_changed_in_any_way_is_noticed(done: list[tuple[Any, ...]]) -> None:
    with tampering() as connection:
        before = _all(connection)
        for deed in done:
            _do(connection, deed)
        assert verify(connection).ok is (_all(connection) == before)
