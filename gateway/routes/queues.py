"""Queues and workers: how much waits and who takes it, pause, resume, purge. All of it needs the broker."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from gateway import broker, pressure, queues
from gateway.auth import Asking, described, needs
from gateway.openapi import problems
from gateway.page import Page
from shared.broker import pause
from shared.broker.client import answering
from shared.contracts.identity import Permission
from shared.contracts.queues import PauseRequest, Purge, PurgeRequest, QueueList, QueueView, WorkerView
from shared.store import audit
from shared.store.engine import writing

router = APIRouter(
    prefix="/api/v1", tags=["queues"], dependencies=[described], responses=problems(401, 403, 422, 500, 503)
)

Name = Annotated[str, Path(max_length=64)]


@router.get("/queues", dependencies=[needs(Permission.READ)])
def list_queues(caller: Asking) -> QueueList:
    """All queues, and how full the broker is."""
    del caller
    return QueueList(items=queues.views(), memory=pressure.view())


@router.get("/queues/{name}", responses=problems(404), dependencies=[needs(Permission.READ)])
def get_queue(caller: Asking, name: Name) -> QueueView:
    """One queue."""
    del caller
    return queues.views([queues.known(name)])[0]


@router.post("/queues/{name}:pause", responses=problems(400, 404, 415), dependencies=[needs(Permission.QUEUES)])
def pause_queue(caller: Asking, name: Name, asked: PauseRequest | None = None) -> QueueView:
    """Have nobody take messages from it until it is resumed. What workers hold already goes on."""
    reason, lane = asked.reason if asked else "", queues.known(name)
    with writing(caller.org_id) as connection:  # before: what cannot be written down is not done
        audit.add(
            connection,
            caller.org_id,
            caller.actor,
            "queue.pause",
            f"queue:{name}",
            reason=reason,
            address=caller.address,
        )
    with answering() as client:
        pause.pause(client, lane, caller.actor, reason)
    return queues.views([name])[0]


@router.post("/queues/{name}:resume", responses=problems(404), dependencies=[needs(Permission.QUEUES)])
def resume_queue(caller: Asking, name: Name) -> QueueView:
    """Have workers take messages again. One that is not paused stays as it is."""
    with answering() as client:
        was_paused = pause.resume(client, queues.known(name))
    if was_paused:
        with writing(caller.org_id) as connection:
            audit.add(connection, caller.org_id, caller.actor, "queue.resume", f"queue:{name}", address=caller.address)
    return queues.views([name])[0]


@router.post("/queues/{name}:purge", responses=problems(400, 404, 409, 415), dependencies=[needs(Permission.QUEUES)])
def purge_queue(caller: Asking, name: Name, asked: PurgeRequest) -> Purge:
    """Cancel the jobs that wait in it; messages of no job become dead letters. At most 5000 at once.

    More than `expect` is a 409 that names the right number; fewer is fine, since workers go on taking.
    """
    queues.known(name)
    if asked.dry_run:
        return broker.purge().forecast(name)  # type: ignore[no-any-return]  # a module that is imported late
    with writing(caller.org_id) as connection:  # before: what cannot be written down is not done
        about = caller.org_id, caller.actor, "queue.purging", f"queue:{name}"
        audit.add(connection, *about, address=caller.address, expect=asked.expect)
    done: Purge = broker.purge().purge(name, caller.actor, expect=asked.expect)
    with writing(caller.org_id) as connection:
        about = caller.org_id, caller.actor, "queue.purge", f"queue:{name}"
        audit.add(connection, *about, jobs=done.jobs, messages=done.messages, address=caller.address)
    return done


@router.get("/workers", dependencies=[needs(Permission.READ)])
def list_workers(caller: Asking) -> Page[WorkerView]:
    """The workers that said something of themselves in the last seconds."""
    del caller
    return Page(items=queues.workers())
