from __future__ import annotations

import re
from datetime import UTC, datetime
from email.headerregistry import Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.alert import AlertNotice, AlertRule, AlertSeverity
from shared.contracts.finding import Severity
from shared.contracts.job import JobState
from shared.contracts.notice import Highlight, Notice
from shared.notification import letter, wording

SENDER, RECIPIENT = Address("Vedette", "v", "sender.example"), Address("", "ops", "receiver.example")


def test_text_and_html_say_the_same(notice: Notice) -> None:
    for template in ("mail.txt", "mail.html"):
        body = letter.render(template, notice)
        assert "db1.example" in body
        assert "71 of 100" in body
        assert "2 new and 1 fixed since the last scan" in body
        assert "1 check could not be made" in body
        assert "pdf, json" in body
        assert "https://vedette.example/jobs/01928e1c" in body
        assert body.index("Redis needs no password") < body.index("TLS 1.0 is offered")


def test_a_failed_job_says_so_and_promises_no_grade(notice: Notice) -> None:
    failed = notice.model_copy(
        update={"state": JobState.FAILED, "grade": None, "score": None, "severities": {}, "highlights": [], "gaps": 0}
    )
    assert "Scan failed. There is no grade." in letter.render("mail.html", failed)
    assert "Grade" not in letter.render("mail.txt", failed)
    assert wording.headline(failed) == "db1.example: scan failed"


def test_only_the_worst_findings_are_shown_and_the_rest_is_counted(notice: Notice) -> None:
    many = [Highlight(severity=Severity.LOW, title=f"finding {n}", subject="x") for n in range(letter.SHOWN + 3)]
    body = letter.render("mail.txt", notice.model_copy(update={"highlights": many}))
    assert body.count("finding ") == letter.SHOWN
    assert "and 3 more" in body


def test_markup_in_a_finding_is_shown_as_text(notice: Notice) -> None:
    evil = Highlight(severity=Severity.HIGH, title="<img src=x onerror=alert(1)>", subject='"><script>')
    body = letter.render("mail.html", notice.model_copy(update={"highlights": [evil]}))
    assert "<img" not in body
    assert "<script" not in body
    assert "&lt;img src=x" in body


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", ""])
def test_only_a_web_address_becomes_a_link(notice: Notice, url: str) -> None:
    assert "<a " not in letter.render("mail.html", notice.model_copy(update={"report_url": url}))


def test_the_mail_loads_nothing_from_anywhere(notice: Notice) -> None:
    body = letter.render("mail.html", notice)
    assert not re.search(r"<(img|script|link|iframe)|url\(|@import", body)


@given(st.text(), st.sampled_from(JobState), st.one_of(st.none(), st.text(max_size=3)))
def test_any_notice_becomes_a_mail_of_ascii_lines(target: str, state: JobState, grade: str | None) -> None:
    notice = Notice.model_validate(
        {"job_id": "j", "org_id": "o", "kind": "host", "target": target, "state": state, "grade": grade}
        | {"finished_at": "2026-11-22T07:30:00Z", "severities": {"critical": 2}}
    )
    mail = letter.compose(notice, sender=SENDER, recipient=RECIPIENT, key="k")
    wire = mail.as_bytes()
    head = wire.partition(b"\r\n\r\n")[0]
    assert wire.isascii()
    assert all(len(line) <= 998 for line in wire.split(b"\r\n"))  # RFC 5322, 2.1.1
    assert set(re.findall(rb"(?m)^([A-Za-z-]+):", head)) == {
        *(b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted", b"X-Auto-Response-Suppress"),
        *(b"MIME-Version", b"Content-Type"),
    }


@given(st.text(), st.integers(min_value=1, max_value=200))
def test_plain_text_is_one_short_printable_line(text: str, limit: int) -> None:
    line = wording.plain(text, limit)
    assert len(line) <= limit
    assert line.isprintable()


@pytest.mark.parametrize("form", ["txt", "html"])
@pytest.mark.parametrize(
    ("kind", "begins"), [("firing", "alert: "), ("reminder", "still an alert: "), ("resolved", "over: ")]
)
def test_an_alert_says_what_is_wrong_since_when_and_what_to_do(kind: str, begins: str, form: str) -> None:
    at = datetime(2026, 11, 26, 7, 30, tzinfo=UTC)
    told = AlertNotice(
        type=f"alert.{kind}",  # type: ignore[arg-type]
        alert_id="a1",
        rule=AlertRule.WORKER_LOST,
        subject="scan@<b>\nhost",
        severity=AlertSeverity.WARNING,
        summary="The worker scan@<b>\nhost fell silent.",
        cure="See vedette workers",
        value=1.0,
        bound=1.0,
        opened_at=at,
        finished_at=at,
    )
    mail = letter.compose(told, sender=SENDER, recipient=RECIPIENT, key="k")
    assert mail["Subject"] == f"[Vedette] {begins}The worker scan@<b> host fell silent."
    body = letter.render(f"alert.{form}", told)
    assert ("See vedette workers" in body) is (kind != "resolved")
    assert "2026-11-26 07:30:00 UTC" in body
    assert ("<b>" in body) is (form == "txt")
    assert "\nhost" not in body
