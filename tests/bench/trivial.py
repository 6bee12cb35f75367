"""Four stages that do nothing, inside all layers of the real ones: what the pipeline itself costs."""

from __future__ import annotations

import os

from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName
from shared.layers.ledger import Step
from shared.queue import stage
from shared.worker import serve


def _nothing(_envelope: Envelope, step: Step) -> None:
    step.summary = "nothing done"


for name in StageName:
    stage(name)(_nothing)

app = serve(StageName(os.environ["TRIVIAL_STAGE"]), {})
