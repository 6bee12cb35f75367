"""The notify service: tells whoever must know of a job's end. `celery -A services.notify worker`."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:  # noqa: ANN401  `app` is a Celery
    """Make the Celery app when it is asked for: whoever uses a part of this service needs no queue."""
    if name != "app":
        raise AttributeError(name)
    import services.notify.tasks  # noqa: F401, PLC0415  registers the task
    from shared.contracts.job import StageName  # noqa: PLC0415
    from shared.notification import channels  # noqa: PLC0415
    from shared.worker import serve  # noqa: PLC0415

    globals()[name] = made = serve(StageName.NOTIFY, {"channels": channels.schemes()})
    return made
