"""The only message between stages. It carries ids and limits, never findings: those lie in the store."""

from __future__ import annotations

from datetime import datetime

from shared.contracts.job import Contract, Priority, Profile


class Envelope(Contract):
    """One job on its way. `version` changes when a worker of yesterday could not read it.

    run: of the job; a message of an earlier run does nothing any more.  part: the only one of its stage to be done.
    """

    version: int = 1
    job_id: str
    org_id: str
    kind: str
    lane: str
    priority: Priority = Priority.NORMAL
    profile: Profile = Profile.STANDARD
    run: int = 1
    part: str = ""
    deadline_at: datetime | None = None
