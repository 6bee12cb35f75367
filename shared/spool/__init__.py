"""What this process records of jobs, spans and log lines: gathered, sealed, sent over the bus to the store of our own.

Nobody waits for it: a bus that is away costs the records, never the job. What it carries: `contracts.record`.
`control/recorder.py` takes it in.
"""

from shared.spool.gathering import Spool
from shared.spool.stream import STREAM, opened, send

__all__ = ["STREAM", "Spool", "opened", "send"]
