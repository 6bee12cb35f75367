"""Names whose name servers are slow hold up whoever asked for them, and nobody else."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway import names
from gateway.names import NamesBusy, TooManyNames, Turns
from shared.contracts.kinds.host import Target
from shared.resolver import ResolverAway
from shared.testing import MASTER_KEY, wait_for
from tests.namespace import in_own_network


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    monkeypatch.setattr(names, "PATIENCE_S", 0.05)
    return Turns()


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_an_organisation_has_half_of_the_places(turns: Turns, held: ExitStack) -> None:
    for _ in range(names.OF_ONE):
        held.enter_context(turns.turn("a"))
    with pytest.raises(TooManyNames), turns.turn("a"):
        pass
    for _ in range(names.OF_ONE):
        held.enter_context(turns.turn("b"))
    with pytest.raises(NamesBusy) as refused, turns.turn("c"):
        pass
    assert (type(refused.value), refused.value.status) == (NamesBusy, 503)


def test_who_waits_gets_the_place_that_becomes_free(turns: Turns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "PATIENCE_S", 30.0)
    got = threading.Event()

    def wait() -> None:
        with turns.turn("a"):
            got.set()

    with ExitStack() as held:
        for _ in range(names.OF_ONE):
            held.enter_context(turns.turn("a"))
        waiting = [threading.Thread(target=wait) for _ in range(names.WAITING_OF_ONE)]
        for each in waiting:
            each.start()
        wait_for(lambda: turns._waiting["a"] == names.WAITING_OF_ONE, "all wait")
        with pytest.raises(TooManyNames), turns.turn("a"):
            pass
        assert not got.is_set()
    for each in waiting:
        each.join()
    assert got.is_set()
    assert (turns._waiting.total(), turns._resolving.total()) == (0, 0)


def test_addresses_need_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "OF_ALL", 0)
    monkeypatch.setattr(names, "PATIENCE_S", 0.0)
    assert names.of_each("a", {"x": Target(host="127.0.0.1")}, str.upper) == {"x": "X"}
    with pytest.raises(NamesBusy):
        names.of_each("a", {"x": Target(host="localhost")}, str.upper)


def test_the_first_name_without_an_answer_ends_the_wait_for_the_others() -> None:
    asked: list[str] = []

    def ask(key: str) -> str:
        asked.append(key)
        raise ResolverAway("No answer.")

    targets = {str(each): Target(host=f"n{each}.example") for each in range(500)}
    with pytest.raises(ResolverAway):
        names.of_each("a", targets, ask)
    assert len(asked) < len(targets)


def test_names_that_are_late_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "ALL_TIMEOUT_S", 0.05)
    late = threading.Event()

    def ask(key: str) -> str:
        return key if key == "1" else str(late.wait(10))

    targets = {each: Target(host=f"n{each}.example") for each in ("1", "2")}
    assert names.of_each("a", targets, ask) == {"1": "1"}
    late.set()


def test_forty_batches_of_names_without_an_answer_do_not_stop_the_gateway(tmp_path: Path) -> None:
    environment = {
        "VEDETTE_DATABASE_URL": f"sqlite:///{tmp_path}/v.db",
        "VEDETTE_RUN_DIR": str(tmp_path),
        "VEDETTE_REDIS_URL": "redis://127.0.0.1:1/0",
        "VEDETTE_GATEWAY_PORT": "8484",
        "VEDETTE_TOKEN": "correct-horse",
        "VEDETTE_MASTER_KEY": MASTER_KEY,
        "VEDETTE_PRIVATE_TARGETS": "true",
    }
    answers, longest, theirs = in_own_network(tmp_path, "tests.gateway.slow_names", environment=environment)[-3:]
    assert set(ast.literal_eval(answers)) == {"429 too-many-names", "503 resolver-away"}
    assert float(longest) < 5.0  # 20 s when all threads wait for names
    assert theirs == "202"
