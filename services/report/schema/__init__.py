"""The public schema of the JSON report, generated from `ReportDocument` and committed.

`python -m services.report.schema` writes it anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.contracts.report import ReportDocument

PATH = Path(__file__).with_name("report-1.schema.json")


def current() -> dict[str, Any]:
    """Return the schema of the reports that this version writes."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:vedette:report:1"}
    return head | ReportDocument.model_json_schema(mode="serialization")


def current_text() -> str:
    return json.dumps(current(), indent=2, ensure_ascii=False) + "\n"
