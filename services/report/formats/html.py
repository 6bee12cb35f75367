"""HTML: one file that needs nothing else. No script, no network (Content-Security-Policy), light and dark, printable.

Everything is escaped by the template engine; the only markup is that of `templates/`.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.report import layout
from shared.contracts.report import ReportDocument

MEDIA_TYPE = "text/html; charset=utf-8"
EXTENSION = "html"

_TEMPLATES = Path(__file__).parents[1] / "templates"
_OPEN = 10  # findings shown unfolded at first, as far as they are critical or high
_LONG = 40  # rows of a table that stands folded


def render(document: ReportDocument) -> bytes:
    style = _style()
    page = layout.build(document)
    template = _environment().get_template("report.html.j2")
    html = template.render(page=page, style=style, policy=_policy(style), opened=_OPEN, long=_LONG)
    return html.encode("utf-8", "replace")


def _policy(style: str) -> str:
    """Nothing may be loaded or run; the one style sheet is named by its hash (CSP Level 3)."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def _style() -> str:
    return (_TEMPLATES / "report.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
