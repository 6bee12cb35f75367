from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from services.report import typeset
from services.report.formats import pdf
from shared.contracts.observation import Evidence
from shared.contracts.report import ReportDocument
from shared.errors import FailureClass
from tests.services.report import sample
from tests.services.report.documents import documents


def text(content: bytes, *options: str) -> str:
    """Return what poppler reads from the PDF, with white space folded."""
    return " ".join(_poppler("pdftotext", content, *options, "-enc", "UTF-8", "-", "-").split())


def info(content: bytes) -> dict[str, str]:
    lines = _poppler("pdfinfo", content, "-").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _spent_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _poppler(program: str, content: bytes, *arguments: str) -> str:
    if shutil.which(program) is None:
        assert os.environ.get("VEDETTE_TEST_ALL") != "1", f"{program} is not installed"
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([program, *arguments], input=content, capture_output=True, timeout=30, check=True)
    return done.stdout.decode()


@pytest.fixture(scope="module")
def typical() -> bytes:
    return pdf.render(sample.typical())


def test_a_pdf_is_tagged_and_says_what_it_is(typical: bytes) -> None:
    about = info(typical)
    assert about["Title"] == "db.example.org · security report"
    assert (about["Tagged"], about["Page size"]) == ("yes", "595.276 x 841.89 pts (A4)")
    assert b"<pdfaid:part>2</pdfaid:part>" in typical
    assert b"<pdfuaid:part>1</pdfuaid:part>" in typical


def test_the_first_page_is_the_report_in_short(typical: bytes) -> None:
    first = text(typical, "-l", "1")
    assert "38 / 100" in first
    assert "1 critical 3 high 6 medium 3 low 1 info" in first
    assert "begin with “Redis answers without a password” on tcp/192.0.2.10:6379" in first
    assert "How the score adds up" in first


def test_a_pdf_holds_what_the_page_holds(typical: bytes) -> None:
    whole = text(typical)
    for finding in sample.typical().findings:
        assert " ".join(finding.title.split()) in whole
    for words in ("Read more", "came back", "Telnet is open", "not checked again", "A firewall dropped the probes"):
        assert words in whole
    for words in (
        "OpenSSH 8.4p1",
        "TLS_AES_256",
        "Storage console",
        "SSH-2.0-OpenSSH_8.4p1",
        "4bf92f3577b34da6a3ce929d0e0e4736",
    ):
        assert words in whole


def test_the_same_document_makes_the_same_bytes(typical: bytes) -> None:
    assert pdf.render(sample.typical()) == typical


def test_hostile_text_is_text() -> None:
    whole = text(pdf.render(sample.hostile()))
    assert '#import "x": * #panic("pwned") $x^2$ `raw` *bold* @ref <label>' in whole
    assert "=cmd|' /C calc'!A0" in whole
    assert "‹ESC›[31mred" in whole
    assert "‹U+6F22›" in whole


@pytest.mark.parametrize("call", ["read", "include", "json", "image", "plugin", "import"])
def test_no_text_of_a_target_reads_a_file(tmp_path: Path, call: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("thesecretcontent")
    for path in (str(secret), "../" * 12 + str(secret)[1:], "/etc/passwd"):
        line = f'#{call} "{path}"' if call in {"include", "import"} else f'#{call}("{path}")'
        said = [line, f"#{{ {line[1:]} }}", f"$ {line} $", f"]{line}[", f'"){line}("']
        found = [sample.finding(title=each, what=each, evidence=[Evidence(source=each, text=each)]) for each in said]
        whole = text(pdf.render(sample.document(findings=found, job=sample.job(target=line, tags={"a": line}))))
        assert "thesecretcontent" not in whole
        assert "root:x:" not in whole
        assert whole.count(f"#{call}") >= 5


def test_backticks_of_rules_are_code_and_nothing_is_run() -> None:
    hostile = 'Set `#panic("x")` $y$ `left'
    evidence = [Evidence(source="`s`", text="`raw`")]
    whole = text(pdf.render(sample.document(findings=[sample.finding(title="`t`", fix=hostile, evidence=evidence)])))
    assert 'Set #panic("x") $y$ `left' in whole
    assert "`t`" in whole
    assert "`raw`" in whole


def test_findings_of_one_rule_share_a_heading_and_keep_their_numbers() -> None:
    evidence = [Evidence(source="INFO", text="redis_version:6.0\n" * 30)]
    found = [
        sample.finding(subject=f"tcp/{n}", fingerprint=str(n), what=f"Port {n} answers.", evidence=evidence)
        for n in range(6)
    ]
    findings = text(pdf.render(sample.document(findings=found)), "-f", "2").partition("What changed since")[0]
    assert findings.count("Anyone who reaches the port") == 1
    assert "F1–F6 Redis answers without a password" in findings
    for number in range(6):
        assert f"F{number + 1} tcp/{number}" in findings
        assert f"Port {number} answers. Evidence E{number + 1} · " in findings
    assert "redis_version" not in findings


def test_long_evidence_is_cut_at_the_finding_and_whole_in_the_annex() -> None:
    piece = Evidence(source="INFO", text="\n".join(f"line {number}." for number in range(30)))
    whole = text(pdf.render(sample.document(findings=[sample.finding(evidence=[piece])])))
    before, annex = whole.split("Raw answers of the target")
    assert "line 7. … the rest stands in the annex: E1" in before
    assert "line 29." in annex


def test_only_references_over_https_can_be_clicked() -> None:
    targets = re.findall(rb"/URI ?\((.*?)\)", pdf.render(sample.hostile()))
    assert targets
    assert all(target.startswith(b"https://example.org/") for target in targets)


@pytest.mark.parametrize("name", ["clean", "empty"])
def test_little_to_say_makes_a_short_report(name: str) -> None:
    assert int(info(pdf.render(sample.samples()[name]))["Pages"]) <= 3


def test_a_huge_report_costs_less_than_ten_seconds() -> None:
    """Of processor time, so that a busy machine does not fail it."""
    document = sample.huge()
    started = _spent_s()
    content = pdf.render(document)
    assert _spent_s() - started < 10
    assert int(info(content)["Pages"]) > 100


def test_a_compiler_that_takes_too_long_is_ended() -> None:
    with pytest.raises(pdf.PdfTooCostly, match=r"took longer than 0\.01 s") as caught:
        pdf.render(sample.typical(), timeout_s=0.01)
    assert caught.value.failure_class is FailureClass.RESOURCE


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
@pytest.mark.parametrize("mebibytes", [32, 120])  # too little to begin with; too little to finish
def test_a_compiler_that_takes_too_much_memory_is_ended(mebibytes: int) -> None:
    with pytest.raises(pdf.PdfTooCostly):
        pdf.render(sample.typical(), memory_bytes=mebibytes * 2**20)


def test_what_the_compiler_says_is_told() -> None:
    program = [sys.executable, "-I", typeset.__file__, "10", str(2**31), "0"]
    done = subprocess.run(program, input=b"{}", capture_output=True, timeout=30, check=False)
    assert done.returncode == typeset.REFUSED
    assert b"does not contain key" in done.stderr
    assert (pdf._REFUSED, pdf._EXHAUSTED) == (typeset.REFUSED, typeset.EXHAUSTED)


def test_the_compiler_needs_nothing_from_where_it_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "typst.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert pdf.render(sample.document()).startswith(b"%PDF-1.7")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents)
def test_every_document_can_be_typeset(document: ReportDocument) -> None:
    assert pdf.render(document).startswith(b"%PDF-1.7")
