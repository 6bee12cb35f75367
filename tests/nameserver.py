"""A real name server for a network namespace, whose answers change, and programs that are run there.

`python -m tests.nameserver SCENARIO` expects a namespace of its own in which 127.0.0.1:53 is the system's resolver.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import dns.message
import dns.rdatatype
import dns.rrset

from services.scan.kinds import Run
from services.scan.kinds.host import scan
from shared import egress, policy
from shared.contracts.job import Profile
from shared.contracts.kinds.host import Target
from shared.notification import egress as webhook_network
from shared.policy import Reach, TargetRefused
from tests import namespace

NAME = "rebind.example"
PUBLIC, METADATA = "93.184.215.14", "169.254.169.254"


class NameServer:
    """Answers A of every name with the next of `answers`, the last for good; TTL 0. `asked` counts."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            wire, peer = self._socket.recvfrom(4096)
            question = dns.message.from_wire(wire)
            answer = dns.message.make_response(question)
            asked = question.question[0]
            if asked.rdtype == dns.rdatatype.A:
                address = self.answers[min(self.asked, len(self.answers) - 1)]
                self.asked += 1
                answer.answer.append(dns.rrset.from_text(asked.name, 0, "IN", "A", address))
            self._socket.sendto(answer.to_wire(), peer)


@contextmanager
def canaries(*addresses: str) -> Iterator[tuple[int, Callable[[], list[int]]]]:
    """Listeners on one port of several addresses; gives the port, and how many connections each had."""
    counts = [0] * len(addresses)
    first = socket.create_server((addresses[0], 0))
    port = first.getsockname()[1]
    sockets = [first, *(socket.create_server((address, port)) for address in addresses[1:])]

    def accept(place: int) -> None:
        while True:
            peer, _ = sockets[place].accept()
            counts[place] += 1
            with suppress(OSError), peer:  # a sweep resets what it opens
                peer.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")

    for place in range(len(sockets)):
        threading.Thread(target=accept, args=(place,), daemon=True).start()
    yield port, lambda: list(counts)


def say(*words: object) -> None:
    """Tell the test on the outside."""
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")


def scanned(port: int, within: Reach) -> str:
    """Scan one port of NAME, and say how that ended."""
    try:
        run = Run(Profile.QUICK, time.monotonic() + 20, within=within)
        return asyncio.run(scan(Target(host=NAME, ports=str(port)), run)).summary
    except TargetRefused as exc:
        return f"refused: {exc.rule}"


def rebound(to: str) -> None:
    """The name is public at the submission, and leads to `to` when it is scanned."""
    NameServer(PUBLIC, to)
    with canaries("127.0.0.1") as (port, counts):
        policy.check(Target(host=NAME, ports=str(port)), Reach())
        say(scanned(port, Reach()), counts())


def pinned() -> None:
    """The name is one address when it is judged, and another for whoever asked again."""
    server = NameServer("127.0.0.1", "127.0.0.2")
    with canaries("127.0.0.1", "127.0.0.2") as (port, counts):
        say(scanned(port, Reach(private=True)), server.asked, counts()[0] > 1, counts()[1])


def webhook() -> None:
    """The same for the connections of webhooks and mail."""
    server = NameServer("127.0.0.1", METADATA)
    with canaries("127.0.0.1") as (port, counts):
        stream = webhook_network.Egress(Reach(private=True), timeout_s=5.0).connect_tcp(NAME, port)
        say(stream.read(100)[:12], server.asked, counts())
        try:
            egress.connect(NAME, port, Reach(private=True), ends_at=time.monotonic() + 5, limit=100)
        except TargetRefused as exc:
            say(f"refused: {exc.rule}", counts())


def main(arguments: Sequence[str]) -> None:
    namespace.begin()
    scenarios: dict[str, Callable[..., None]] = {"rebound": rebound, "pinned": pinned, "webhook": webhook}
    scenarios[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
