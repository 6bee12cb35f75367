"""Many dead letters: how fast they are grouped and replayed, and that nothing is sent twice. And one that resumes."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared import dlq, testing
from shared.broker import holding, keys
from shared.broker.claim import claim
from shared.contracts.dead_letter import BulkReplay, DeadLetterEntry, ErrorDetail, Reason, Selection
from shared.contracts.job import Failure, JobState, StageName
from shared.contracts.operation import Operation, OperationState
from shared.contracts.triage import DeadLetterFilter
from shared.errors import FailureClass
from shared.store import ledger
from shared.store.engine import writing
from shared.store.ledger import Key
from tests.chaos import verdict
from tests.chaos.stack import CONTROL, FORMATS, GATEWAY, Stack

ERRORS = ("The target answered 503 to everything.", "The certificate was not to be read.", "No port answered.")
LISTED_S = 0.5  # `dlq list --group`
REPLAYED_PER_S = 300.0
AT_ONCE = 500
OVER = frozenset({OperationState.DONE, OperationState.STOPPED, OperationState.FAILED})


@dataclass(frozen=True)
class Result:
    """value: seconds, or things a second."""

    name: str
    value: float
    unit: str
    faults: list[str]


def run(stack: Stack, count: int) -> Iterator[Result]:
    """Fill the dead letters as workers do, group and replay them. No worker may run before: what is sent is counted."""
    stack.start(CONTROL, GATEWAY)
    yield _filled(stack, count)
    yield _grouped(stack, count)
    with stack.client as client:
        client.queues.pause("scan", "so that what is sent can be counted")
    stack.start("scan")  # nothing is replayed to a queue of which nobody takes
    with stack.client as client:
        testing.wait_for(lambda: any(each.queues for each in client.workers()), "the worker is seen")
    yield from _replayed(stack, count)


def resumed(stack: Stack, stage: StageName) -> Result:
    """Let a stage fail for good, replay the dead letter: what was done before is not done again."""
    stack.break_stage(stage, "This is what the test wants.")
    [job_id] = stack.submit()
    stack.wait([job_id], 60.0)
    stack.break_stage(stage)
    wrong: list[str] = []
    started = time.monotonic()
    with stack.client as client:
        testing.wait_for(lambda: _letters_of(stack, job_id), "the failure is a dead letter")
        verdict_of_replay = client.dlq.replay(_letters_of(stack, job_id)[0])
    if not verdict_of_replay.ok:
        wrong.append(f"refused: {verdict_of_replay.detail}")
    testing.wait_for(lambda: stack.views([job_id])[0].state is JobState.SUCCEEDED, "the job succeeds", 60.0)
    return Result(f"resumed at {stage}", time.monotonic() - started, "s", wrong + _done_once(stack, job_id, stage))


def interrupted(stack: Stack, count: int, kills: int) -> Result:
    """Replay many while `control`, which replays, is killed so often on the way: each job goes on once."""
    stack.break_stage(StageName.PROCESS, "This is what the test wants.")
    ids = stack.submit(count)
    stack.wait(ids, 120.0)
    stack.break_stage(StageName.PROCESS)
    started = time.monotonic()
    with stack.client as client:
        testing.wait_for(lambda: client.dlq.stats().open >= count, "all failures are dead letters")
        made = client.dlq.replay_many(BulkReplay(selection=Selection(all=True), rate=count / 5))
        assert isinstance(made, Operation)
        for number in range(kills):
            enough = count * (number + 0.5) / kills
            testing.wait_for(lambda least=enough: client.operations.get(made.id).done >= least, "some are sent", 60.0)  # type: ignore[misc]
            stack.kill(CONTROL)
        testing.wait_for(lambda: client.operations.get(made.id).state in OVER, "the operation is over", 60.0)
        ended = client.operations.get(made.id)
    testing.wait_for(lambda: all(view.state is JobState.SUCCEEDED for view in stack.views(ids)), "all succeed", 120.0)
    stack.wait_for_quiet(60.0)
    wrong = [fault for job_id in ids for fault in _done_once(stack, job_id, StageName.PROCESS)]
    wrong += _not_done([ended], count) + [f for job_id in ids for f in verdict.twice_at_once(stack, job_id)]
    return Result(f"{count} replayed, control killed {kills} times", time.monotonic() - started, "s", wrong)


def _done_once(stack: Stack, job_id: str, stage: StageName) -> list[str]:
    """Each stage before the one that failed has run once, and the rest has what one run gives."""
    wrong = []
    if (scans := verdict.scans(stack, job_id)) != 1 and stage is not StageName.SCAN:
        wrong.append(f"scanned {scans} times")
    before = tuple(StageName)[: tuple(StageName).index(stage)]
    wrong += [f"{each} ran {n} times" for each in before if (n := verdict.deliveries(stack, job_id, each)) != 1]
    [view] = stack.views([job_id])
    found = verdict.outcome(stack, view)
    if found.formats != tuple(FORMATS):
        wrong.append(f"reports {list(found.formats)}")
    told = [told["state"] for told in stack.receiver.of(job_id)]
    if sorted(told) != ["failed", "succeeded"]:
        wrong.append(f"told {told}")
    return wrong


def _letters_of(stack: Stack, job_id: str) -> list[str]:
    with stack.client as client:
        return [letter.id for letter in client.dlq.page(DeadLetterFilter(q=f"job:{job_id}")).items]


def _filled(stack: Stack, count: int) -> Result:
    for start in range(0, count, AT_ONCE):
        _fail(stack, stack.submit(min(AT_ONCE, count - start)))
    started = time.monotonic()
    with stack.broker as client:
        before = client.xlen(keys.DEAD_LETTERS)
        testing.wait_for(lambda: not client.xlen(keys.DEAD_LETTERS), "all dead letters are taken in", 300.0)
    seconds = time.monotonic() - started
    with stack.client as gateway:
        kept = sum(gateway.dlq.stats().by_state.values())
    wrong = [] if kept == count else [f"{kept} of {count} are kept"]
    return Result("taken in from the stream", before / seconds if seconds else 0.0, "letters/s", wrong)


def _fail(stack: Stack, ids: list[str]) -> None:
    """What a worker does whose stage fails: the ledger says so, and the message becomes a dead letter."""
    places = {job_id: place for place, job_id in enumerate(ids)}
    with writing() as connection:
        for job_id, place in places.items():
            taken = ledger.take(connection, Key(job_id, "local", StageName.SCAN), worker="chaos")
            ledger.fail(connection, taken, _failure(place))
    with stack.broker as client:
        while claimed := claim(client, keys.lists("scan")):
            job_id = json.loads(claimed.raw)["headers"]["id"].partition(".")[0]
            holding.bury(client, claimed.tag, dlq.fields(_entry(job_id, places[job_id]), b""))


def _failure(place: int) -> Failure:
    return Failure(
        code="external",
        failure_class=FailureClass.EXTERNAL,
        message=ERRORS[place % 3],
        cure="",
        stage=StageName.SCAN,
        part="",
        attempt=1,
    )


def _entry(job_id: str, place: int) -> DeadLetterEntry:
    return DeadLetterEntry(
        reason=Reason.STAGE_FAILED,
        failure_class=FailureClass.EXTERNAL,
        rule="chaos",
        queue="scan",
        task="scan.run",
        task_id=f"{job_id}.scan",
        job_id=job_id,
        org_id="local",
        stage=StageName.SCAN,
        error=ErrorDetail(type="External", code="external", message=ERRORS[place % 3]),
    )


def _grouped(stack: Stack, count: int) -> Result:
    times = []
    with stack.client as client:
        for _ in range(5):
            started = time.monotonic()
            groups = client.dlq.groups()
            times.append(time.monotonic() - started)
    wrong = [] if statistics.median(times) < LISTED_S else ["too slow"]
    if (len(groups), sum(group.open for group in groups)) != (len(ERRORS), count):
        wrong.append(f"{len(groups)} groups of {sum(group.open for group in groups)}")
    return Result(f"{count} dead letters in three groups are listed", statistics.median(times), "s", wrong)


def _replayed(stack: Stack, count: int) -> Iterator[Result]:
    """Replay one group by one operation, and then all that are left by two at once."""
    with stack.client as client:
        first = client.dlq.groups()[0]
    alone, rate = _replay(stack, Selection(group=first.fingerprint))
    wrong = [] if rate >= REPLAYED_PER_S else ["too slow"]
    yield Result("a group is replayed", rate, "letters/s", wrong + _not_done(alone, first.open))
    both, rate = _replay(stack, Selection(all=True), times=2)
    yield Result("the rest, by two at once", rate, "letters/s", _not_done(both, count - first.open))
    sent = _sent(stack)
    doubled = [job_id for job_id, times in sent.items() if times > 1]
    lost = [] if len(sent) == count else [f"{count - len(sent)} were not sent"]
    yield Result("sent once each", sent.total(), "messages", lost + [f"{len(doubled)} sent twice"] * bool(doubled))


def _replay(stack: Stack, which: Selection, times: int = 1) -> tuple[list[Operation], float]:
    """Replay by so many operations at once; return them as they ended, and how many letters a second they sent."""
    started = time.monotonic()
    with stack.client as client:
        made = [client.dlq.replay_many(BulkReplay(selection=which)) for _ in range(times)]
        ids = [each.id for each in made if isinstance(each, Operation)]

        def are_over() -> bool:
            return all(client.operations.get(each).state in OVER for each in ids)

        testing.wait_for(are_over, "the operations are over", 300.0)
        ended = [client.operations.get(each) for each in ids]
    return ended, sum(each.done for each in ended) / (time.monotonic() - started)


def _not_done(ended: Sequence[Operation], count: int) -> list[str]:
    wrong = [f"{each.state}: {each.note}" for each in ended if each.state is not OperationState.DONE]
    if sum(each.done for each in ended) != count:
        wrong.append(f"done {[each.done for each in ended]} of {count}, refused {[each.refused for each in ended]}")
    return wrong


def _sent(stack: Stack) -> Counter[str]:
    """Return how often each job's scan waits in the queue."""
    with stack.broker as client:
        raw = [item for name in keys.lists("scan") for item in client.lrange(name, 0, -1)]
    return Counter(json.loads(item)["headers"]["id"].partition(".")[0] for item in raw)
