"""The process service: judges what a scan saw. `celery -A services.process worker`."""

from services.process import tasks
from shared.contracts.job import StageName
from shared.worker import serve

__all__ = ["app", "tasks"]

app = serve(StageName.PROCESS, {})
