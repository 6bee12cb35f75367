"""A notice as an e-mail: text and HTML, with the headers that a machine's mail should have.

Headers: RFC 5322; `Auto-Submitted` (RFC 3834) keeps holiday answers away. Every header's value is one line.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from shared.contracts.alert import AlertNotice
from shared.contracts.finding import Severity
from shared.contracts.notice import Notice
from shared.notification import wording

SHOWN = 8  # highlights in one mail
_POLICY = policy.SMTP.clone(cte_type="7bit", max_line_length=78)
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def compose(notice: Notice | AlertNotice, *, sender: Address, recipient: Address, key: str) -> EmailMessage:
    """Return the mail. key: becomes the Message-ID, so that a second copy of the same delivery is recognised."""
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = sender
    mail["To"] = recipient
    kind = "alert" if isinstance(notice, AlertNotice) else "mail"
    mail["Subject"] = f"[Vedette] {wording.headline(notice)}"
    mail["Date"] = datetime.now(UTC)
    mail["Message-ID"] = f"<{re.sub('[^A-Za-z0-9-]+', '-', key)}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"  # what Exchange reads instead
    mail.set_content(render(f"{kind}.txt", notice))
    mail.add_alternative(render(f"{kind}.html", notice), subtype="html")
    return mail


def render(template: str, notice: Notice | AlertNotice) -> str:
    """Return `mail.txt` or `mail.html` for a notice of a job, `alert.txt` or `alert.html` for one of an alert."""
    if isinstance(notice, AlertNotice):
        return _TEMPLATES.get_template(template).render(notice=notice, wording=wording)
    return _TEMPLATES.get_template(template).render(
        notice=notice,
        wording=wording,
        target=wording.plain(notice.target, 120),
        highlights=sorted(notice.highlights, key=lambda each: each.severity.rank)[:SHOWN],
        more=max(0, len(notice.highlights) - SHOWN),
        severities=[(each, notice.severities.get(each, 0)) for each in Severity],
        link=notice.report_url if notice.report_url.startswith(("https://", "http://")) else "",
    )
