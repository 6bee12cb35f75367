"""The process service: judges what a scan saw. `celery -A services.process worker`."""

import services.process.tasks  # noqa: F401  registers the task
from shared.contracts.job import StageName
from shared.worker import serve

app = serve(StageName.PROCESS, {})
