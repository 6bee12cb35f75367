"""Names in the broker's Redis database. Those of queues are kombu's, so that its tools can read them."""

from __future__ import annotations

from bisect import bisect_right

UNACKED = "unacked"  # hash: delivery tag -> [message, "", lane]
LEASES = "unacked_index"  # sorted set: delivery tag -> Redis TIME of the last renewal, seconds
DEAD_LETTERS = "dlq:in"  # stream: dead letters on their way to SQL
PAUSED = "paused"  # hash: lane -> JSON
CANCELLED = "cancelled"  # sorted set: job id -> unix time
WORKERS = "workers"  # hash: hostname -> JSON
LEFT = "workers:left"  # hash: hostname -> JSON, of workers that ended of their own will
LEADER = "control:leader"  # string: token of who leads; it lasts LEAD_TERM_S from its last renewal
LEAD_TERM_S = 10.0  # so the lock of a leader that was killed lasts no longer
REFUSALS = "signature:failures"  # hash: reason -> how many messages and events could not be verified; and
LAST_REFUSAL = "last"  # in that hash: unix time of the last one, whole seconds

SEPARATOR = "\x06\x16"  # between a lane and its priority
STEPS = (0, 3, 6, 9)  # priorities that have a list of their own; 0 is served first

DELIVERIES = "x-deliveries"  # header: 1, and one more for each delivery that was lost
QUEUED_AT = "x-queued-at"  # header: unix time of the first put, seconds
SENT_AT = "x-sent-at"  # header: unix time at which this message was sent, seconds; a retry is a message of its own
RETURNED_AT = "x-returned-at"  # header: unix time at which a lost delivery was put back, seconds
PRODUCER = "x-producer"  # header: traceparent of the span that sent the message; `traceparent` is that of the job
WORKER_DEATHS = "x-worker-deaths"  # header: how many of these took their whole worker along
LAST_DEATH = "x-last-death"  # header: why the last delivery was lost
REPLAY_OF = "x-replay-of"  # header: id of the dead letter that this message replays


def waiting(lane: str, priority: int) -> str:
    """Return the list in which messages of this priority (0..9) wait."""
    step = STEPS[max(0, bisect_right(STEPS, priority) - 1)]
    return f"{lane}{SEPARATOR}{step}" if step else lane


def lists(lane: str) -> list[str]:
    """Return the lists of a lane, the one that is served first first."""
    return [waiting(lane, step) for step in STEPS]


def wake(lane: str) -> str:
    """Return the list on which idle consumers of a lane sleep. It holds at most one token: something may wait."""
    return f"{lane}:wake"
