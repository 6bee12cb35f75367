"""One leads; nobody takes or gives away what is another's; who takes over need not be asked."""

from __future__ import annotations

import pytest

from control.leader import Leader
from shared import testing
from shared.broker import keys
from shared.broker.client import client, forget
from shared.settings import settings

TERM_S = 0.5


@pytest.fixture(autouse=True)
def broker(redis_server: testing.RedisServer, fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv("VEDETTE_REDIS_URL", redis_server.url)
    settings.cache_clear()
    client().flushdb()


def test_the_first_leads_and_goes_on_leading_while_it_renews() -> None:
    first, second = Leader(client(), TERM_S), Leader(client(), TERM_S)
    assert (first.campaign(), second.campaign()) == (True, False)
    assert (first.campaign(), second.campaign()) == (True, False)
    assert (first.leads, second.leads) == (True, False)


def test_a_resigned_lead_is_free_at_once() -> None:
    first, second = Leader(client()), Leader(client())
    first.campaign()
    first.resign()
    assert not first.leads
    assert second.campaign()


def test_nobody_resigns_for_another() -> None:
    first, second = Leader(client()), Leader(client())
    first.campaign()
    second.resign()
    assert client().get(keys.LEADER) == first.token.encode()
    assert not second.campaign()


def test_a_leader_that_renews_no_more_is_followed_and_knows_it() -> None:
    first, second = Leader(client(), TERM_S), Leader(client(), TERM_S)
    first.campaign()
    testing.wait_for(second.campaign, "the second leads", 5 * TERM_S)
    assert not first.leads
    assert not first.campaign()


def test_a_lead_ends_by_itself_while_the_broker_is_away() -> None:
    with testing.redis_server() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("VEDETTE_REDIS_URL", server.url)
        settings.cache_clear()
        forget()
        leader = Leader(client(), TERM_S)
        assert leader.campaign()
        server.stop()
        assert leader.campaign()  # its term is not over
        testing.wait_for(lambda: not leader.campaign(), "it knows that it leads no more", 20 * TERM_S)
        server.start()
        testing.wait_for(leader.campaign, "it leads again", 20 * TERM_S)


def test_a_full_server_has_a_leader_who_can_make_room_in_it() -> None:
    first, second = Leader(client(), TERM_S), Leader(client(), TERM_S)
    client().config_set("maxmemory", 1)
    try:
        assert first.campaign()
        assert not second.campaign()
        testing.wait_for(second.campaign, "the second leads", 5 * TERM_S)
    finally:
        client().config_set("maxmemory", 0)
