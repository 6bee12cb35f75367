from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from services.report.formats import html
from shared.contracts.finding import Assessment, Change
from shared.contracts.observation import Evidence
from shared.contracts.report import ReportDocument
from tests.services.report import sample
from tests.services.report.documents import documents

CSS = (Path(html.__file__).parents[1] / "templates" / "report.css").read_text("utf-8")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update"),
    *("--disable-background-networking", "--disable-sync", "--enable-logging=stderr", "--v=0", "--dump-dom"),
)
VOID = {"meta", "br", "link", "img", "input"}


class Page(HTMLParser):
    """Reads a page and remembers its elements, their attributes and their text; refuses unbalanced elements."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(page.decode())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._open[-1] if self._open else "", []).append(data)

    def attributes(self, name: str) -> Iterator[str]:
        return (attrs[name] or "" for _, attrs in self.elements if name in attrs)


def assert_inert(page: Page) -> None:
    """Nothing runs, nothing is loaded, every address is https or a place on this page."""
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "link", "iframe", "object", "embed", "form", "input", "base"}
    assert not [
        name for _, attrs in page.elements for name in attrs if name.startswith("on") or name in ("src", "style")
    ]
    assert all(re.fullmatch(r"#[a-z]+\d*|https://[\x21-\x7e]+", href) for href in page.attributes("href"))


@pytest.mark.parametrize("name", sample.samples())
def test_a_page_is_balanced_and_inert(name: str) -> None:
    assert_inert(Page(html.render(sample.samples()[name])))


def test_hostile_text_is_text() -> None:
    page = Page(html.render(sample.hostile()))
    titles = page.texts["h4"]
    assert "<script>alert(1)</script>" in titles
    assert "{{7*7}} {% raw %} ${7*7} #{7*7}" in titles
    assert "‹ESC›[31mred‹ESC›[0m ‹U+009B›31m ‹BEL›" in titles
    assert '#import "x": * #panic("pwned") $x^2$ `raw` *bold* @ref <label>' in titles


def test_backticks_of_rules_are_code_and_nothing_else_is() -> None:
    hostile = "`<b onclick=x>&amp;` <i>`a` `left"
    evidence = [Evidence(source="`s`", text="`raw`")]
    found = sample.finding(title="`t`", subject="`u`", what=hostile, why=hostile, fix=hostile, evidence=evidence)
    page = Page(html.render(sample.document(findings=[found])))
    assert_inert(page)
    assert page.texts["code"][:6] == ["<b onclick=x>&amp;", "a"] * 3
    assert " `left" in page.texts["dd"]
    assert (page.texts["h4"], page.texts["pre"]) == (["`t`"], ["`raw`", "`raw`"])


def test_findings_of_one_rule_share_a_heading_and_keep_their_own_place_to_link_to() -> None:
    found = [sample.finding(subject=f"tcp/{n}", fingerprint=str(n), what=f"Port {n} answers.") for n in range(6)]
    page = Page(html.render(sample.document(findings=found)))
    assert page.texts["h4"] == ["Redis answers without a password"]
    assert [each for each in page.attributes("id") if each.startswith("f") and each != "findings"] == [
        f"f{number}" for number in range(1, 7)
    ]
    assert [text for text in page.texts["p"] if text.startswith("Port")] == [f"Port {n} answers." for n in range(6)]


def test_long_evidence_is_cut_at_the_finding_and_whole_in_the_annex_within_reach_of_the_keyboard() -> None:
    text = "\n".join(f"line {number}" for number in range(30))
    found = sample.finding(evidence=[Evidence(source="INFO", text=text), Evidence(source="PING", text="+PONG")])
    page = Page(html.render(sample.document(findings=[found])))
    assert page.texts["pre"] == ["\n".join(text.split("\n")[:8]), "+PONG", text, "+PONG"]
    (scrolled,) = [attrs for tag, attrs in page.elements if tag == "pre" and "tabindex" in attrs]
    assert (scrolled["id"], scrolled["role"], scrolled["tabindex"]) == ("e1", "region", "0")
    assert scrolled["aria-label"] == "Evidence: tcp/192.0.2.10:6379 · INFO"
    assert "#e1" in set(page.attributes("href"))
    assert "pre.long, .scroll { max-height: none; overflow: visible; }" in CSS.partition("@media print")[2]


def test_evidence_of_an_earlier_scan_is_shown_whole() -> None:
    text = "\n".join(map(str, range(30)))
    gone = sample.finding(evidence=[Evidence(source="INFO", text=text)])
    assessment = Assessment(score=100, grade="A", change=Change(previous_job_id="before"))
    page = Page(html.render(sample.document(fixed=[gone], assessment=assessment)))
    assert page.texts["pre"] == [text]


def test_findings_that_are_gone_show_no_points() -> None:
    gone = [sample.finding(subject=f"tcp/{n}") for n in range(2)]
    assessment = Assessment(score=100, grade="A", change=Change(previous_job_id="before"))
    page = Page(html.render(sample.document(fixed=gone, assessment=assessment)))
    assert [attrs["class"] for tag, attrs in page.elements if "points" in (attrs.get("class") or "")] == []
    assert [each for each in page.attributes("id") if each in ("f1", "f2")] == ["f1", "f2"]


def test_the_policy_names_the_one_style_sheet_and_allows_nothing_else() -> None:
    page = Page(html.render(sample.typical()))
    (style,) = page.texts["style"]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(attrs["content"] for _, attrs in page.elements if attrs.get("http-equiv"))
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_links_on_the_page_lead_somewhere_and_ids_are_unique() -> None:
    page = Page(html.render(sample.typical()))
    ids = list(page.attributes("id"))
    assert len(ids) == len(set(ids))
    assert {href[1:] for href in page.attributes("href") if href.startswith("#")} <= set(ids)


def test_the_page_has_landmarks_and_headings_without_a_gap() -> None:
    page = Page(html.render(sample.typical()))
    tags = [tag for tag, _ in page.elements]
    assert [tags.count(tag) for tag in ("header", "nav", "main", "footer", "h1")] == [1, 1, 1, 1, 1]
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


def test_the_score_is_readable_without_seeing_the_dial() -> None:
    assert "Grade F, 38 of 100 points" in set(Page(html.render(sample.typical())).attributes("aria-label"))
    assert "No grade, because nothing could be checked" in set(
        Page(html.render(sample.empty())).attributes("aria-label")
    )


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_text_has_the_contrast_of_wcag_aa(scheme: str) -> None:
    roots = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#\w+)", roots[("light", "dark", "print").index(scheme)]))
    for ground in (colours["paper"], colours["raised"]):
        for name in set(colours) - {"paper", "raised", "rule", "none"}:
            assert contrast(colours[name], ground) >= 4.5, (name, ground)
        assert contrast(colours["none"], ground) >= 3, ground  # large letters only


def test_a_huge_report_costs_less_than_ten_seconds() -> None:
    started = time.process_time()
    page = html.render(sample.huge())
    assert time.process_time() - started < 10
    assert page.count(b'class="finding"') == 2000


def test_a_browser_shows_the_page_without_a_complaint(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        assert os.environ.get("VEDETTE_TEST_ALL") != "1", "chromium is not installed"
        pytest.skip("chromium is not installed")
    for name in ("typical", "hostile"):
        (tmp_path / f"{name}.html").write_bytes(html.render(sample.samples()[name]))
        shown = subprocess.run(
            [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / f"{name}.html").as_uri()],
            capture_output=True,
            timeout=60,
            check=True,
        )
        assert b"CONSOLE" not in shown.stderr, shown.stderr.decode()
        assert b"<footer" in shown.stdout


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents)
def test_every_document_makes_an_inert_page(document: ReportDocument) -> None:
    assert_inert(Page(html.render(document)))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio of two colours `#rgb` or `#rrggbb`."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
