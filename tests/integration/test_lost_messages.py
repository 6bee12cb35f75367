"""Every accepted job ends, whatever becomes of its messages: the broker flushed, messages deleted while jobs run."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest
import redis

from shared import testing
from shared.broker import keys
from shared.contracts.job import JobState, StageName, StepState
from shared.contracts.lanes import ALL_LANES
from shared.store import jobs
from shared.store.engine import reading
from tests import broker
from tests.integration.conftest import Stack
from tests.integration.test_pipeline import SERVICES, assert_once

MANY_S = 60.0  # for all jobs, on a machine with other things to do
TORN_S = 8.0
JOBS = 20


def control(stack: Stack) -> subprocess.Popen[bytes]:
    environment = {**stack.environment, "VEDETTE_RECONCILE_EVERY_S": "0.5", "VEDETTE_REPUBLISH_AFTER_S": "3"}
    command = [sys.executable, "-m", "control"]
    return stack.processes.enter_context(testing.process(command, environment, stack.folder / "control.log"))


def open_jobs(ids: list[str]) -> list[str]:
    with reading() as connection:
        return [view.id for view in jobs.views(connection, ids) if not view.state.is_terminal]


def test_all_jobs_go_on_when_redis_lost_its_data(own_stack: Stack, banner: int) -> None:
    ids = [own_stack.submit("127.0.0.1", str(banner)) for _ in range(JOBS)]
    with own_stack.broker as client:
        assert broker.waiting(client) == JOBS
        client.flushdb()
    own_stack.start(*SERVICES)
    assert len(open_jobs(ids)) == JOBS
    process = control(own_stack)
    testing.wait_for(lambda: not open_jobs(ids), "all jobs end", MANY_S)
    for job_id in ids:
        assert_once(own_stack, job_id, JobState.SUCCEEDED)
    testing.end(process)


@pytest.mark.parametrize("own_stack", ["sqlite"], indirect=True)
def test_what_runs_while_redis_loses_its_data_is_not_run_again(own_stack: Stack, tarpit: int) -> None:
    own_stack.start(*SERVICES)
    process = control(own_stack)
    job_id = own_stack.submit("127.0.0.1", str(tarpit))
    testing.wait_for(lambda: own_stack.step(job_id, StageName.SCAN).state is StepState.RUNNING, "the scan runs")
    with own_stack.broker as client:
        client.flushdb()
    assert own_stack.ended(job_id).state is JobState.SUCCEEDED
    assert own_stack.step(job_id, StageName.SCAN).attempt == 1
    assert_once(own_stack, job_id, JobState.SUCCEEDED)
    testing.end(process)


@pytest.mark.parametrize("own_stack", ["sqlite"], indirect=True)
def test_every_job_ends_while_messages_are_deleted_at_random(own_stack: Stack, banner: int) -> None:
    own_stack.start(*SERVICES)
    process = control(own_stack)
    chance = random.Random(2)
    ids: list[str] = []
    deleted, until = 0, time.monotonic() + TORN_S
    with own_stack.broker as client:
        while time.monotonic() < until:
            if len(ids) < 2 * JOBS:
                ids += [own_stack.submit("127.0.0.1", str(banner)) for _ in range(2)]
            deleted += sum(tear(client, chance) for _ in range(2))
    assert deleted > 5
    testing.wait_for(lambda: not open_jobs(ids), f"all {len(ids)} jobs end, after {deleted} deletions", MANY_S)
    assert {own_stack.view(job_id).state for job_id in ids} <= {JobState.SUCCEEDED, JobState.DEAD}
    for job_id in ids:
        if own_stack.view(job_id).state is JobState.SUCCEEDED:
            assert_once(own_stack, job_id, JobState.SUCCEEDED)
    testing.end(process)


def tear(client: redis.Redis, chance: random.Random) -> int:
    """Delete a random message, waiting or held; return how many were deleted."""
    lists = [name for lane in ALL_LANES for name in keys.lists(lane) if client.llen(name)]
    held = client.hkeys(keys.UNACKED)
    if held and (not lists or chance.random() < 0.3):
        return int(client.hdel(keys.UNACKED, chance.choice(held)))
    if not lists:
        return 0
    name = chance.choice(lists)
    message = client.lindex(name, chance.randrange(max(int(client.llen(name)), 1)))
    return int(client.lrem(name, 1, message)) if message else 0
