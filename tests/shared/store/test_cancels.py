from __future__ import annotations

from shared.contracts.operation import BulkCancel
from shared.store import cancels
from shared.store.engine import reading
from tests.shared.store.making import ORG, make, new_job, run_through


def test_only_jobs_that_are_not_over_are_meant(database: str) -> None:
    made = make(*[new_job(f"10.0.0.{number}", batch_id="b") for number in range(4)], new_job("10.1.1.1"))
    [other] = make(new_job("10.0.0.9", org_id="other"))
    run_through(made[0])
    for which, expected in (
        (BulkCancel(batch_id="b"), made[1:4]),
        (BulkCancel(q="target:10.0.0.0/31"), made[1:2]),
        (BulkCancel(q=""), made[1:]),
        (BulkCancel(ids=[*made, other]), made[1:]),
        (BulkCancel(batch_id="none"), []),
    ):
        with reading() as connection:
            assert cancels.count(connection, ORG, which) == len(expected)
            assert cancels.ids(connection, ORG, which) == expected
            assert cancels.last_id(connection, ORG, which) == (expected[-1] if expected else "")
            if expected:
                assert cancels.ids(connection, ORG, which, after=expected[0], limit=1) == expected[1:2]
