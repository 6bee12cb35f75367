"""The scan service: looks at a target and writes down what it saw. `celery -A services.scan worker`."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:  # noqa: ANN401  `app` is a Celery
    """Make the Celery app when it is asked for: whoever uses a part of this service needs no queue."""
    if name != "app":
        raise AttributeError(name)
    import services.scan.tasks  # noqa: F401, PLC0415  registers the task
    from shared import registry  # noqa: PLC0415
    from shared.contracts.job import StageName  # noqa: PLC0415
    from shared.worker import serve  # noqa: PLC0415

    globals()[name] = made = serve(StageName.SCAN, {"kinds": registry.names("services.scan.kinds")})
    return made
