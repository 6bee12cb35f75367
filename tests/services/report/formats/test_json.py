from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings

from services.report import schema
from services.report.formats import json as format_json
from shared.contracts.observation import Observation
from shared.contracts.report import ReportDocument
from tests.services.report import sample
from tests.services.report.documents import documents

VALIDATOR = jsonschema.Draft202012Validator(json.loads(schema.PATH.read_text("utf-8")))


@pytest.mark.parametrize("name", sample.samples())
def test_a_report_is_valid_and_reads_back_as_the_same_document(name: str) -> None:
    document = sample.samples()[name]
    written = format_json.render(document)
    VALIDATOR.validate(json.loads(written))
    assert ReportDocument.model_validate_json(written) == document


def test_keys_keep_the_order_of_the_contract_and_free_keys_that_of_the_alphabet() -> None:
    seen = Observation(type="x", subject="s", data={"b": 1, "a": {"d": 1, "c": 2}}, observed_at=sample.NOW)
    written = json.loads(format_json.render(sample.document(observations=[seen])))
    assert list(written) == list(ReportDocument.model_fields)
    assert list(written["observations"][0]["data"]) == ["a", "b"]
    assert list(written["observations"][0]["data"]["a"]) == ["c", "d"]


def test_the_file_is_indented_and_ends_with_a_newline() -> None:
    written = format_json.render(sample.document())
    assert written.startswith(b'{\n  "schema_version": "vedette.report/1",\n')
    assert written.endswith(b"}\n")


def test_nothing_in_the_file_steers_a_terminal_or_turns_the_reading_direction() -> None:
    written = format_json.render(sample.hostile()).decode()
    assert not set(written) & set("\x00\x07\x1b\x7f\x85\x9b\u2028\u202e\u2066")


def test_numbers_that_json_lacks_are_null() -> None:
    seen = Observation(type="x", subject="s", data={"a": [float("nan"), float("-inf")]}, observed_at=sample.NOW)
    written = json.loads(format_json.render(sample.document(observations=[seen])))
    assert written["observations"][0]["data"] == {"a": [None, None]}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents)
def test_every_document_can_be_written(document: ReportDocument) -> None:
    json.loads(format_json.render(document))
