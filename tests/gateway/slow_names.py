"""A gateway whose name server never answers, and many who submit names to it; run in a network of its own.

Prints the answers that they got, the longest that others waited for an answer (seconds), and the status of a name
that another organisation submitted meanwhile.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx2

from gateway.__main__ import build
from shared.contracts.access import KeyNew
from shared.contracts.identity import Role
from shared.settings import settings
from shared.store import migrate, plugins
from shared.store.engine import writing
from shared.store.identity import keys, organisations
from shared.store.identity.keys import Maker
from shared.testing import wait_for
from tests import namespace

CROWD, NAMES = 40, 200


def bearer(org_id: str) -> dict[str, str]:
    with writing() as connection:
        organisations.ensure(connection, org_id, org_id)
        made = keys.create(connection, org_id, KeyNew(name="ci", role=Role.OPERATOR), Maker(None, "test"))
    return {"Authorization": f"Bearer {made.secret}"}


def main() -> None:
    namespace.begin()
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 53))
    migrate.upgrade()
    with writing() as connection:
        plugins.announce(connection, "formats", ["html", "json", "pdf"])
    greedy, other = bearer("greedy"), bearer("other")
    server = build(settings())
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, "the gateway serves")
    http = httpx2.Client(base_url=f"http://127.0.0.1:{settings().gateway_port}", timeout=60)

    def submit(number: int) -> str:
        targets = [{"kind": "host", "host": f"n{each}.s{number}.example"} for each in range(NAMES)]
        answer = http.post("/api/v1/batches", json={"targets": targets}, headers=greedy)
        return f"{answer.status_code} {answer.json().get('code')}"

    with ThreadPoolExecutor(CROWD) as crowd:
        asked = [crowd.submit(submit, number) for number in range(CROWD)]
        longest, theirs = 0.0, 0
        while not all(each.done() for each in asked):
            began = time.monotonic()
            assert http.get("/api/v1/jobs", headers=other).status_code == 200
            longest = max(longest, time.monotonic() - began)
            if not theirs and any(each.done() for each in asked):  # they find no place any more
                body = {"target": {"kind": "host", "host": "localhost"}}
                theirs = http.post("/api/v1/jobs", json=body, headers=other).status_code
    sys.stdout.write(f"{dict(sorted(Counter(each.result() for each in asked).items()))}\n{longest:.2f}\n{theirs}\n")
    server.should_exit = True
    thread.join(10)


if __name__ == "__main__":
    main()
