"""Live updates measured: from the commit of an event to a client, 200 idle connections, 50 clients by 1000 events.

`python -m tests.bench.live [sqlite|postgres]` runs a gateway of its own and prints the figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from shared import bus, registry, testing
from shared.contracts.events import EventType
from shared.contracts.submission import Options
from shared.ids import now
from shared.settings import settings
from shared.store import jobs, migrate, timeline
from shared.store.engine import writing
from shared.store.timeline import Fact

TOKEN = "benchmark"
PORT = 18937
IDLE, CLIENTS, EVENTS, SAMPLES = 200, 50, 1000, 200


def job() -> str:
    """Write a job; return its id."""
    new = jobs.NewJob(
        org_id="local",
        target=registry.target({"kind": "host", "host": "127.0.0.1"}),
        options=Options(),
        lane="scan",
        deadline_at=now() + timedelta(hours=1),
    )
    with writing("local") as connection:
        return jobs.create(connection, [new])[0]


def tell(job_id: str, count: int = 1) -> int:
    """Write events as a stage does: commit, then publish. Return the id of the last."""
    facts = [
        Fact("local", job_id, EventType.STAGE_STARTED, "scan", data={"worker": "scan@bench", "attempt": 1})
    ] * count
    with writing("local") as connection:
        told = timeline.add(connection, facts)
    bus.publish(told)
    return told[-1].id


@asynccontextmanager
async def following() -> AsyncIterator[ClientConnection]:
    """A client that has its snapshot."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with connect(f"ws://127.0.0.1:{PORT}/ws", additional_headers=headers, proxy=None) as socket:
        await socket.send(json.dumps({"op": "subscribe", "topics": ["jobs"]}))
        while json.loads(await socket.recv())["type"] != "snapshot":
            continue
        yield socket


async def until(socket: ClientConnection, last: int) -> int:
    """Read up to an event; return how many kept events came."""
    seen = 0
    while True:
        message = json.loads(await socket.recv())
        if message["type"] == "event" and message["id"]:
            seen += 1
            if message["id"] >= last:
                return seen


async def latency(job_id: str) -> list[float]:
    """Return the seconds from before the write of an event to its arrival, sorted."""
    found = []
    async with following() as socket:
        for _ in range(SAMPLES):
            began = time.perf_counter()
            event_id = await asyncio.to_thread(tell, job_id)
            await until(socket, event_id)
            found.append(time.perf_counter() - began)
            await asyncio.sleep(0.03)
    return sorted(found)


async def idle(pid: int) -> float:
    """Return the KiB that each of `IDLE` connections costs the gateway."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(following())
        before = resident(pid)
        for _ in range(IDLE):
            await stack.enter_async_context(following())
        await asyncio.sleep(1)
        return (resident(pid) - before) / IDLE


async def crowd(job_id: str) -> tuple[float, float]:
    """Return the seconds until all of `CLIENTS` had all of `EVENTS`, and those that writing them took."""
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(following()) for _ in range(CLIENTS)]
        began = time.perf_counter()
        for _ in range(EVENTS):
            last = await asyncio.to_thread(tell, job_id)
        written = time.perf_counter() - began
        seen = await asyncio.gather(*(until(socket, last) for socket in sockets))
        assert seen == [EVENTS] * CLIENTS, seen
        return time.perf_counter() - began, written


def resident(pid: int) -> int:
    """Return the memory of a process in KiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


async def measure(pid: int) -> None:
    job_id = job()
    took = await latency(job_id)
    cuts = {name: took[int(len(took) * share)] * 1000 for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    told = "  ".join(f"{name} {value:.1f} ms" for name, value in cuts.items())
    _say(f"write to client    {told}  mean {statistics.mean(took) * 1000:.1f} ms  ({SAMPLES} events)")
    _say(f"{IDLE} idle           {await idle(pid):.0f} KiB each")
    all_s, written_s = await crowd(job_id)
    rate = CLIENTS * EVENTS / all_s
    _say(f"{CLIENTS} x {EVENTS} events   {all_s:.1f} s (writing {written_s:.1f} s), {rate:.0f} messages/s; none lost")
    _say(f"gateway afterwards {resident(pid) / 1024:.0f} MiB")


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else "sqlite"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(testing.redis_server())
        url = f"sqlite:///{folder}/v.db" if kind == "sqlite" else stack.enter_context(testing.postgres_server())
        os.environ |= {
            "VEDETTE_DATABASE_URL": url,
            "VEDETTE_REDIS_URL": redis.url,
            "VEDETTE_RUN_DIR": str(folder),
            "VEDETTE_TOKEN": TOKEN,
            "VEDETTE_MASTER_KEY": testing.MASTER_KEY,
            "VEDETTE_GATEWAY_PORT": str(PORT),
            "VEDETTE_LOG_LEVEL": "warning",
        }
        settings.cache_clear()
        migrate.upgrade()
        gateway = stack.enter_context(testing.process([sys.executable, "-m", "gateway"], {}, folder / "gateway.log"))
        testing.wait_for(answers, "the gateway serves")
        _say(f"-- {kind}")
        asyncio.run(measure(gateway.pid))


def answers() -> bool:

    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/livez", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
