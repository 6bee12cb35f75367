"""Errors: the class decides, codes are words, and everything survives the way from child to parent."""

from __future__ import annotations

import errno
import pickle
import sqlite3

import billiard.exceptions
import kombu.exceptions
import psycopg
import pytest
import redis.exceptions
import sqlalchemy.exc
from hypothesis import given
from hypothesis import strategies as some

from shared import errors
from shared.errors import BackOff, FailureClass, Policy


class TwoPlaces(errors.Temporary):
    """A subclass whose constructor is not its parent's."""

    def __init__(self, first: str, second: int) -> None:
        super().__init__(f"{first} and {second}", cure="Take one.")
        self.second = second


class HTTPAnswerOdd(errors.External): ...


def every_error(cls: type[errors.VedetteError] = errors.VedetteError) -> list[type[errors.VedetteError]]:
    return [cls, *(deep for each in cls.__subclasses__() for deep in every_error(each))]


def through_pickle(error: errors.VedetteError) -> errors.VedetteError:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    return copy


def test_the_pointer_of_invalid_input_survives_pickling() -> None:
    copy = through_pickle(errors.InvalidInput("bad", cure="mend it", pointer="/host"))
    assert isinstance(copy, errors.InvalidInput)
    assert (copy.message, copy.cure, copy.pointer, str(copy)) == ("bad", "mend it", "/host", "bad")


def test_what_was_set_after_the_constructor_survives_pickling() -> None:
    busy = HTTPAnswerOdd("busy")
    busy.retry_after_s = 7.5
    copy = through_pickle(busy)
    assert isinstance(copy, errors.External)
    assert copy.retry_after_s == 7.5


def test_a_constructor_with_arguments_of_its_own_survives_pickling() -> None:
    copy = through_pickle(TwoPlaces("one", 2))
    assert isinstance(copy, TwoPlaces)
    assert (copy.message, copy.second, copy.cure) == ("one and 2", 2, "Take one.")


@given(message=some.text(), cure=some.text())
def test_any_text_survives_pickling(message: str, cure: str) -> None:
    copy = through_pickle(errors.Permanent(message, cure=cure))
    assert (copy.message, copy.cure) == (message, cure)


@pytest.mark.parametrize(
    ("cls", "code"),
    [
        (errors.InvalidInput, "invalid-input"),
        (errors.Conflict, "conflict"),
        (TwoPlaces, "two-places"),
        (HTTPAnswerOdd, "http-answer-odd"),
        (type("MalformedURL", (errors.InvalidInput,), {}), "malformed-url"),
        (type("NoTLSOffered", (errors.Temporary,), {}), "no-tls-offered"),
    ],
)
def test_a_code_is_the_class_in_kebab_case(cls: type[errors.VedetteError], code: str) -> None:
    assert cls.__new__(cls).code == code


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), FailureClass.TEMPORARY),
        (BrokenPipeError(errno.EPIPE, "gone"), FailureClass.TEMPORARY),
        (TimeoutError(), FailureClass.TEMPORARY),
        (OSError(errno.EHOSTUNREACH, "no route"), FailureClass.TEMPORARY),
        (OSError(errno.ENETUNREACH, "no network"), FailureClass.TEMPORARY),
        (OSError(errno.ENOSPC, "full"), FailureClass.RESOURCE),
        (OSError(errno.EMFILE, "files"), FailureClass.RESOURCE),
        (FileNotFoundError(errno.ENOENT, "none"), FailureClass.PERMANENT),
        (MemoryError(), FailureClass.RESOURCE),
        (billiard.exceptions.TimeLimitExceeded(3), FailureClass.RESOURCE),
        (billiard.exceptions.SoftTimeLimitExceeded(), FailureClass.TEMPORARY),
        (billiard.exceptions.WorkerLostError(), FailureClass.INFRASTRUCTURE),
        (redis.exceptions.ConnectionError(), FailureClass.INFRASTRUCTURE),
        (redis.exceptions.BusyLoadingError(), FailureClass.INFRASTRUCTURE),
        (redis.exceptions.TimeoutError(), FailureClass.INFRASTRUCTURE),
        (kombu.exceptions.OperationalError(), FailureClass.INFRASTRUCTURE),
        (sqlalchemy.exc.TimeoutError(), FailureClass.INFRASTRUCTURE),
        (sqlalchemy.exc.OperationalError("", {}, sqlite3.OperationalError()), FailureClass.INFRASTRUCTURE),
        (sqlalchemy.exc.OperationalError("", {}, psycopg.errors.DeadlockDetected()), FailureClass.INFRASTRUCTURE),
        (sqlalchemy.exc.IntegrityError("", {}, sqlite3.IntegrityError()), FailureClass.PERMANENT),
        (KeyError("x"), FailureClass.PERMANENT),
        (RecursionError(), FailureClass.PERMANENT),
        (errors.Security("no"), FailureClass.SECURITY),
    ],
)
def test_the_errors_of_libraries_have_a_class(exc: Exception, expected: FailureClass) -> None:
    assert errors.classify(exc) is expected


class Owned(HTTPAnswerOdd): ...


@pytest.mark.parametrize(
    ("exc", "rule"),
    [
        (TwoPlaces("a", 1), "raises Temporary (TwoPlaces)"),
        (Owned("a"), "raises External (Owned)"),
        (OSError(errno.ENOSPC, "full"), "OSError ENOSPC"),
        (OSError(errno.EHOSTUNREACH, "no route"), "OSError EHOSTUNREACH"),
        (MemoryError(), "MemoryError"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "library: ConnectionError"),
        (redis.exceptions.BusyLoadingError(), "library: redis.exceptions.ConnectionError"),
        (sqlalchemy.exc.TimeoutError(), "library: sqlalchemy.exc.TimeoutError"),
        (KeyError("x"), errors.UNKNOWN),
    ],
)
def test_a_class_comes_with_its_reason(exc: Exception, rule: str) -> None:
    assert errors.classified(exc).rule == rule


def test_every_class_of_failure_has_a_policy() -> None:
    assert set(errors.POLICIES) == set(FailureClass)


def test_every_error_has_a_status_that_says_failure() -> None:
    assert all(400 <= cls.status < 600 for cls in every_error())


@given(attempt=some.integers(min_value=0, max_value=10**9), failure_class=some.sampled_from(FailureClass))
def test_waits_stay_between_nothing_and_the_cap(attempt: int, failure_class: FailureClass) -> None:
    policy = errors.POLICIES[failure_class]
    assert 0 <= policy.wait_s(attempt) <= policy.cap_s


@given(attempt=some.integers(min_value=1, max_value=60), base_s=some.floats(0.1, 10), cap_s=some.floats(10, 100))
def test_exponential_waits_are_jittered_below_a_ceiling_that_doubles(attempt: int, base_s: float, cap_s: float) -> None:
    ceiling = min(base_s * 2 ** min(attempt - 1, 16), cap_s)
    wait_s = Policy(1, BackOff.EXPONENTIAL, base_s, cap_s).wait_s(attempt)
    assert ceiling / 10 <= wait_s <= ceiling


def test_linear_waits_grow_by_their_base() -> None:
    policy = Policy(9, BackOff.LINEAR, base_s=10.0, cap_s=25.0)
    assert [policy.wait_s(attempt) for attempt in (1, 2, 3)] == [10.0, 20.0, 25.0]
