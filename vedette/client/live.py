"""Live updates over HTTP: what happens, by topic, without a gap even where the connection breaks."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from shared.contracts.live import Beat, Happened, LiveMessage, Snapshot, Subscribed
from vedette.client.http import Http, given
from vedette.refusals import GatewayFailed, TooMany, Unreachable

RECONNECT_S = (0.2, 0.5, 1.0, 2.0, 5.0)
REMEMBERED = 10_000  # numbers of events: after a break some may come twice
AWAY = (Unreachable, GatewayFailed, TooMany)


class Live:
    """What the client can follow."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def messages(self, topics: Sequence[str], since: int | None = None) -> Iterator[LiveMessage]:
        """Yield messages of one connection until it ends. Raises Unreachable when it breaks."""
        return self._http.messages("events", given(topics=",".join(topics), since=since))

    def follow(
        self, topics: Sequence[str], since: int | None = None, *, note: Callable[[str], None] = lambda _: None
    ) -> Iterator[LiveMessage]:
        """Yield messages for ever: each kept event once, whatever breaks. A break, and its end, are told to `note`.

        Raises what the gateway refuses for good, such as NotAllowed, and whatever the first connection raises.
        """
        seen, failures, was_connected, is_away = _Seen(since), 0, False, False
        while True:
            try:
                for message in self.messages(topics, seen.last):
                    failures, was_connected = 0, True
                    if is_away:
                        is_away = False
                        note("The gateway answers again.")
                    if seen.is_news(message):
                        yield message
            except AWAY as exc:
                if not was_connected:
                    raise
                if not is_away:
                    is_away = True
                    note(f"{exc.message} Trying again.")
            time.sleep(RECONNECT_S[min(failures, len(RECONNECT_S) - 1)])
            failures += 1


class _Seen:
    """Where a follower is, and which of the last events it had."""

    def __init__(self, since: int | None) -> None:
        self.last = since
        self._ids: OrderedDict[int, None] = OrderedDict()

    def is_news(self, message: LiveMessage) -> bool:
        told = message.root
        if isinstance(told, Happened) and told.id:
            is_new = told.id not in self._ids
            self._ids[told.id] = None
            if len(self._ids) > REMEMBERED:
                self._ids.popitem(last=False)
            self.last = told.id
            return is_new
        if isinstance(told, Beat) or (isinstance(told, Snapshot) and told.id):
            self.last = told.id
        return not isinstance(told, Beat | Subscribed)
