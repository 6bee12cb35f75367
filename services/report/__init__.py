"""The report service: writes what was judged in every format asked for. `celery -A services.report worker`."""

import services.report.tasks  # noqa: F401  registers the task
from shared import registry
from shared.contracts.job import StageName
from shared.worker import serve

app = serve(StageName.REPORT, {"formats": registry.names("services.report.formats")})
