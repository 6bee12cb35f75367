"""The trace of a job with 5,000 spans, as its view, flat and as OTLP, by a real gateway on loopback.

Spans are kept as the recorder keeps them: batches of a thousand at most, with the attributes of real ones.
Run: python -m tests.bench.traces [sqlite|postgres] [SPANS]
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from shared import testing
from shared.contracts.record import RecordBatch, SpanKind, SpanRecord

SPANS = 5_000
LOOKS = 60
GOAL_MS = 300.0
TOKEN = "bench"
PORT = 18938
MS = 1_000_000
FORMS = ("tree", "spans", "otlp")


def main(sort: str, count: int) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(testing.redis_server())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        postgres = sort == "postgres"
        url = stack.enter_context(testing.postgres_server()) if postgres else f"sqlite:///{folder}/v.db"
        chosen = {"REDIS_URL": server.url, "DATABASE_URL": url, "LOG_LEVEL": "error", "RUN_DIR": folder}
        chosen |= {"MASTER_KEY": testing.MASTER_KEY, "TOKEN": TOKEN, "GATEWAY_PORT": str(PORT)}
        chosen["REQUESTS_PER_MINUTE"] = "1000000000"
        os.environ.update({f"VEDETTE_{name}": value for name, value in chosen.items()})
        job_id, trace_id = _seed(count)
        with _served(Path(folder)) as looking:
            for form in FORMS:
                _say(sort, f"trace?format={form}", looking.figures(f"/jobs/{job_id}/trace?format={form}"))
            _say(sort, "traces/ID", looking.figures(f"/traces/{trace_id}"))


@dataclass(frozen=True)
class Looking:
    """A gateway as a process of its own, and a client of it."""

    client: httpx2.Client
    pid: int

    def figures(self, path: str) -> str:
        """Return how long the answers took, what they cost the gateway's processor, and how large one is."""
        took, size, before = list[float](), 0, self._cpu_s()
        for _ in range(LOOKS):
            began = time.perf_counter()
            answer = self.client.get(path).raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
            size = len(answer.content)
        cpu = (self._cpu_s() - before) * 1000 / LOOKS
        cut = statistics.quantiles(took, n=100)
        return f"p50 {cut[49]:6.1f} ms  p95 {cut[94]:6.1f} ms  cpu {cpu:6.1f} ms  {size / 1e6:5.2f} MB"

    def _cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _seed(count: int) -> tuple[str, str]:
    """Write a job that is over and its spans; return its id and its trace. Modules imported here read the settings."""
    from shared import telemetry
    from shared.spool import Spool
    from shared.store import jobs, migrate, records
    from shared.store.engine import reading, writing
    from tests.gateway.driving import finish
    from tests.shared.store.making import make, new_job

    telemetry.begin("bench", [Spool("bench")])
    migrate.upgrade()
    [job_id] = make(new_job(org_id="local"))
    finish(job_id)
    with reading() as connection:
        trace_id = jobs.view(connection, job_id).trace_id
        top = jobs.traceparent(connection, job_id).split("-")[2]
    with writing() as connection:
        records.keep(connection, list(_batches(job_id, trace_id, top, count)))
    return job_id, trace_id


def _batches(job_id: str, trace_id: str, top: str, count: int) -> Iterator[RecordBatch]:
    """Yield a scan of many ports with a probe below each second one."""
    spans = [_span(job_id, trace_id, number, top) for number in range(count)]
    for start in range(0, count, 1000):
        batch = {"id": f"{start:036d}", "org_id": "local", "job_id": job_id, "service": "scan", "process": "bench:1"}
        yield RecordBatch.model_validate({**batch, "spans": spans[start : start + 1000]})


def _span(job_id: str, trace_id: str, number: int, top: str) -> SpanRecord:
    began = time.time_ns() - 60_000 * MS + number * 7 * MS
    is_run = number == 0
    said = {"vedette.job.id": job_id, "vedette.org.id": "local", "vedette.stage": "scan", "vedette.attempt": 1}
    said |= {"vedette.segment": "run"} if is_run else {"server.address": "10.0.0.1", "server.port": number}
    said |= {"network.transport": "tcp", "vedette.target.kind": "host"}
    parent = top if is_run else f"{1 if number % 2 else number:016x}"
    return SpanRecord(
        trace_id=trace_id,
        span_id=f"{number + 1:016x}",
        parent_id=parent,
        name="run scan" if is_run else "identify" if number % 2 else "probe",
        kind=SpanKind.CONSUMER if is_run else SpanKind.CLIENT,
        began_ns=began,
        ended_ns=began + (50_000 if is_run else number % 90) * MS,
        is_error=number % 500 == 499,
        error="ConnectionRefused" if number % 500 == 499 else "",
        attributes=said,
    )


@contextmanager
def _served(folder: Path) -> Iterator[Looking]:
    with testing.process([sys.executable, "-m", "gateway"], {}, folder / "gateway.log") as gateway:
        base, headers = f"http://127.0.0.1:{PORT}/api/v1", {"Authorization": f"Bearer {TOKEN}"}
        with httpx2.Client(base_url=base, headers=headers, timeout=120) as client:
            testing.wait_for(lambda: _is_up(client), "the gateway serves")
            yield Looking(client, gateway.pid)


def _is_up(client: httpx2.Client) -> bool:
    try:
        return client.get("/jobs").is_success
    except httpx2.HTTPError:
        return False


def _say(sort: str, name: str, found: str) -> None:
    sys.stdout.write(f"{sort:8}  GET {name:18}  {found}   goal: p95 < {GOAL_MS:.0f} ms\n")
    sys.stdout.flush()


if __name__ == "__main__":
    given = dict(itertools.zip_longest(("sort", "count"), sys.argv[1:3]))
    main(given["sort"] or "sqlite", int(given["count"] or SPANS))
