"""The scan service: looks at a target and writes down what it saw. `celery -A services.scan worker`."""

import services.scan.tasks  # noqa: F401  registers the task
from shared import registry
from shared.contracts.job import StageName
from shared.worker import serve

app = serve(StageName.SCAN, {"kinds": registry.names("services.scan.kinds")})
