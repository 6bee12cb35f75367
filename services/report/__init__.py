"""The report service: writes what was judged in every format asked for. `celery -A services.report worker`."""

from services.report import tasks
from shared import registry
from shared.contracts.job import StageName
from shared.worker import serve

__all__ = ["app", "tasks"]

app = serve(StageName.REPORT, {"formats": registry.names("services.report.formats")})
