"""Names of the attributes that are our own. What others have a name for is named by the semantic conventions."""

from __future__ import annotations

from collections.abc import Mapping

Attributes = Mapping[str, str | int | float | bool]

JOB, ORG, STAGE, ATTEMPT = "vedette.job.id", "vedette.org.id", "vedette.stage", "vedette.attempt"
KIND, SEGMENT, PART = "vedette.target.kind", "vedette.segment", "vedette.part"
