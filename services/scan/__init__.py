"""The scan service: looks at a target and writes down what it saw. `celery -A services.scan worker`."""

from services.scan import tasks
from shared import registry
from shared.contracts.job import StageName
from shared.worker import serve

__all__ = ["app", "tasks"]

app = serve(StageName.SCAN, {"kinds": registry.names("services.scan.kinds")})
