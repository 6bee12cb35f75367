"""PDF: A4, typeset by typst with the fonts inside its wheel. PDF/A-2a (archive) and PDF/UA-1 (accessible) at once.

Each document is compiled by a process of its own (`services/report/typeset.py`) with limits on time and memory.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from services.report import layout, paper
from shared.contracts.report import ReportDocument
from shared.errors import Permanent, Resource

MEDIA_TYPE = "application/pdf"
EXTENSION = "pdf"

TIMEOUT_S = 90
MEMORY_BYTES = 2 * 2**30  # address space; 2,000 findings with 1,000 observations need 450 MiB
_PROGRAM = Path(__file__).parents[1] / "typeset.py"
# Exit codes of the program, which is not imported: it would bring the compiler into this process.
_REFUSED = 3
_EXHAUSTED = 4
_ENVIRONMENT = {"RAYON_NUM_THREADS": "2"}


class PdfRefused(Permanent):
    """The compiler did not accept the document or the template."""


class PdfTooCostly(Resource):
    """The compiler needed more time or memory than one report may."""


def render(document: ReportDocument, *, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES) -> bytes:
    """Return `document` as PDF. Raises PdfTooCostly and PdfRefused."""
    limits = (round(timeout_s * 2) + 1, memory_bytes, _seconds(document.generated_at))
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_PROGRAM), *map(str, limits)],
            input=paper.data(layout.build(document)).encode(),
            capture_output=True,
            timeout=timeout_s,
            env=_ENVIRONMENT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _too_costly(document, f"took longer than {timeout_s:g} s") from None
    if done.returncode < 0:
        raise _too_costly(document, f"was ended by {signal.Signals(-done.returncode).name}")
    if done.returncode == _EXHAUSTED:
        raise _too_costly(document, f"needed more than {memory_bytes >> 20} MiB of memory")
    if done.returncode:
        raise _refused(document, done)
    return done.stdout


def _too_costly(document: ReportDocument, how: str) -> PdfTooCostly:
    return PdfTooCostly(
        f"Typesetting the PDF of job {document.job.id} {how}.",
        cure="Use the HTML or CSV report of this job, or scan fewer ports at once.",
    )


def _refused(document: ReportDocument, done: subprocess.CompletedProcess[bytes]) -> PdfRefused:
    message = done.stderr.decode("utf-8", "replace").strip()
    told = message if done.returncode == _REFUSED else message.rpartition("\n")[2]
    return PdfRefused(f"The PDF of job {document.job.id} could not be typeset: {told[:300] or 'no message'}.")


def _seconds(at: datetime) -> int:
    """UNIX seconds, within what a PDF date can say."""
    return max(0, int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()))
