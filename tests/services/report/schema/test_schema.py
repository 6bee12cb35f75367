from __future__ import annotations

import jsonschema

from services.report import schema


def test_the_committed_schema_is_that_of_the_contract() -> None:
    committed = schema.PATH.read_text(encoding="utf-8")
    assert committed == schema.current_text(), "run: python -m services.report.schema"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.current())


def test_the_schema_covers_raw_observations_and_evidence() -> None:
    definitions = schema.current()["$defs"]
    assert {"Observation", "Evidence", "Gap", "Finding", "Deduction", "Change", "StepView"} <= set(definitions)
