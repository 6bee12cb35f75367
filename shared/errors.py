"""Every failure of Vedette. The class of an error is its policy: whether and how it is tried again, and its status.

Code raises a subclass that stands beside it; errors of libraries go through `classify`.
Classes and back-offs: docs/decisions/0004.
"""

from __future__ import annotations

import errno
import random
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class FailureClass(StrEnum):
    """What kind of failure it was; also the class of the dead letter that it may become."""

    TEMPORARY = "temporary"
    EXTERNAL = "external"
    INFRASTRUCTURE = "infrastructure"
    RESOURCE = "resource"
    PERMANENT = "permanent"
    SECURITY = "security"


class BackOff(StrEnum):
    """How the wait grows with the attempts."""

    NONE = "none"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True)
class Policy:
    """How often a class is tried again by itself, and how long each wait is (seconds)."""

    retries: int
    back_off: BackOff
    base_s: float = 2.0
    cap_s: float = 60.0

    def wait_s(self, attempt: int) -> float:
        """Seconds to wait after attempt number `attempt` (1 is the first). Exponential waits have full jitter."""
        if self.back_off is BackOff.LINEAR:
            return min(self.base_s * attempt, self.cap_s)
        if self.back_off is BackOff.EXPONENTIAL:
            ceiling = min(self.base_s * 2.0 ** min(attempt - 1, 16), self.cap_s)
            return random.uniform(ceiling / 10, ceiling)  # noqa: S311  jitter, not a secret
        return 0.0


UNTIL_HEALTHY = 1_000_000  # retries: as many as fit before the deadline of the job

POLICIES: dict[FailureClass, Policy] = {
    FailureClass.TEMPORARY: Policy(3, BackOff.EXPONENTIAL),
    FailureClass.EXTERNAL: Policy(3, BackOff.EXPONENTIAL),
    FailureClass.INFRASTRUCTURE: Policy(UNTIL_HEALTHY, BackOff.EXPONENTIAL),
    FailureClass.RESOURCE: Policy(2, BackOff.LINEAR, base_s=10.0),
    FailureClass.PERMANENT: Policy(0, BackOff.NONE),
    FailureClass.SECURITY: Policy(0, BackOff.NONE),
}


class VedetteError(Exception):
    """Root of all failures. `cure` says what the reader can do; `code` names the failure for programs.

    is_attempt: whether something was tried, so that the failure is charged to the retries of its class.
    """

    failure_class: ClassVar[FailureClass] = FailureClass.PERMANENT
    is_attempt: ClassVar[bool] = True
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __reduce__(self) -> tuple[object, ...]:
        # BaseException's own pickling calls the class with `args`, so it loses or lacks the arguments of subclasses.
        return _rebuild, (type(self), self.args), self.__dict__

    @property
    def code(self) -> str:
        """The class name in kebab case: `HostUnreachable` is `host-unreachable`, `MalformedURL` is `malformed-url`."""
        return _WORDS.sub("-", type(self).__name__).lower()

    @property
    def policy(self) -> Policy:
        return POLICIES[self.failure_class]


class Temporary(VedetteError):
    """Will probably go away by itself: refused, reset, one time-out."""

    failure_class = FailureClass.TEMPORARY
    status = 503


class External(VedetteError):
    """Somebody else's system failed. `retry_after_s` is what it asked for, if it did."""

    failure_class = FailureClass.EXTERNAL
    status = 502
    retry_after_s: float | None = None


class Infrastructure(VedetteError):
    """Our own database, broker, disk or worker failed."""

    failure_class = FailureClass.INFRASTRUCTURE
    status = 503


class Resource(VedetteError):
    """Not enough memory, disk, time or files."""

    failure_class = FailureClass.RESOURCE
    status = 507


class Permanent(VedetteError):
    """Trying again cannot help: bad input, unsupported, unknown."""

    failure_class = FailureClass.PERMANENT
    status = 422


class Security(VedetteError):
    """Refused for the safety of somebody: signature, tenant, policy. Never tried again; audited."""

    failure_class = FailureClass.SECURITY
    status = 403


class InvalidInput(Permanent):
    """The request names something that cannot be. `pointer` is the JSON pointer of the field."""

    def __init__(self, message: str, *, cure: str = "", pointer: str = "") -> None:
        super().__init__(message, cure=cure)
        self.pointer = pointer


class NotFound(Permanent):
    """Nothing has this id, or it belongs to somebody else."""

    status = 404


class Conflict(Permanent):
    """The thing is in a state in which this cannot be done."""

    status = 409


@dataclass(frozen=True)
class Classification:
    """The class of a failure, and in words the rule that chose it."""

    failure_class: FailureClass
    rule: str


def classify(exc: BaseException) -> FailureClass:
    """Return the class of any exception, ours or a library's. Unknown errors are permanent: a bug does not heal."""
    return classified(exc).failure_class


def classified(exc: BaseException) -> Classification:
    """Return the class of any exception, and why it is that one."""
    if isinstance(exc, VedetteError):
        chooser = next(cls for cls in type(exc).__mro__ if "failure_class" in vars(cls))
        return Classification(exc.failure_class, f"raises {chooser.__name__} ({type(exc).__name__})")
    if isinstance(exc, MemoryError):
        return Classification(FailureClass.RESOURCE, "MemoryError")
    if isinstance(exc, OSError) and exc.errno in _OUT_OF_RESOURCE | _UNREACHABLE:
        found = FailureClass.RESOURCE if exc.errno in _OUT_OF_RESOURCE else FailureClass.TEMPORARY
        return Classification(found, f"OSError {errno.errorcode[exc.errno]}")
    names = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(exc).__mro__]
    for failure_class, known in _LIBRARY.items():
        if matched := next((name for name in names if name in known), None):
            return Classification(failure_class, f"library: {matched.removeprefix('builtins.')}")
    return Classification(FailureClass.PERMANENT, UNKNOWN)


UNKNOWN = "unknown errors are permanent: a bug does not heal"
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # the gaps between the words of a class name
_OUT_OF_RESOURCE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}

# By name, so that this module imports none of them. The first class that matches wins.
_LIBRARY: dict[FailureClass, frozenset[str]] = {
    FailureClass.RESOURCE: frozenset({"billiard.exceptions.TimeLimitExceeded"}),
    FailureClass.INFRASTRUCTURE: frozenset(
        {
            "redis.exceptions.ConnectionError",
            "redis.exceptions.TimeoutError",
            "kombu.exceptions.OperationalError",
            "sqlalchemy.exc.OperationalError",
            "sqlalchemy.exc.InterfaceError",
            "sqlalchemy.exc.TimeoutError",
            "billiard.exceptions.WorkerLostError",
        }
    ),
    FailureClass.TEMPORARY: frozenset(
        {"builtins.ConnectionError", "builtins.TimeoutError", "billiard.exceptions.SoftTimeLimitExceeded"}
    ),
}


def _rebuild(cls: type[VedetteError], args: tuple[object, ...]) -> VedetteError:
    return cls.__new__(cls, *args)
