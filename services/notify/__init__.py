"""The notify service: tells whoever must know of a job's end. `celery -A services.notify worker`."""

import services.notify.tasks  # noqa: F401  registers the task
from services.notify import channels
from shared.contracts.job import StageName
from shared.worker import serve

app = serve(StageName.NOTIFY, {"channels": channels.schemes()})
