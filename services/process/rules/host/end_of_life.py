"""Products whose makers have ended the fixes for the version they state. Inferred from a banner: never certain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.process.facts import Fact
from services.process.judge import stamp
from services.process.rule import Rule, cwe, ref
from services.process.rules.host import View
from services.process.rules.host._lifecycle import known_as, series_of
from shared.contracts.finding import Confidence, Finding, Severity
from shared.contracts.job import Contract

ENDED = Rule(
    id="end-of-life",
    title="A version without fixes is in use",
    severity=Severity.MEDIUM,
    confidence=Confidence.POSSIBLE,
    why=(
        "Its maker has ended the fixes for this series: flaws found since stay open. The version is what the server "
        "says of itself; distributions (Debian, Ubuntu, Red Hat) carry fixes back into old versions without changing "
        "it, so this is only possible until the package has been looked at."
    ),
    fix=(
        "See what is installed and whether your distribution still supports it (`apt policy PACKAGE`, `dnf info "
        "PACKAGE`, `debsecan`); if not, upgrade to a supported series."
    ),
    references=(
        cwe(1104, "Use of Unmaintained Third Party Components"),
        ref("endoflife.date", "https://endoflife.date/"),
    ),
)
_TOKEN = re.compile(r"([A-Za-z][A-Za-z._-]{1,40})/(\d[\w.]{0,30})")
_INSIDE = frozenset({"php", "openssl"})  # parts of a server, whose own version says nothing of theirs
_DISTRIBUTION = re.compile(
    r"debian|ubuntu|raspbian|red ?hat|centos|rocky|alma|fedora|suse|amazon|\bel\d|[+-]deb\d|freebsd",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Claim:
    """A version that a server states, and the whole text in which it stands."""

    fact: Fact[Contract]
    port: int
    product: str
    version: str
    text: str


def judge(view: View) -> Iterator[Finding]:
    for claim in _claims(view):
        series = series_of(claim.product, claim.version)
        if series is None or view.at.date() <= series.ended:
            continue
        what = (
            f"Port {claim.port} states {claim.product} {claim.version}; the fixes for {series.product} {series.series} "
            f"ended on {series.ended:%Y-%m-%d}."
        )
        # Where the text names a distribution, that one carries the fixes, or has ended them: its dates count.
        severity = Severity.INFO if _DISTRIBUTION.search(claim.text) else ENDED.severity
        references = [ref(f"Support of {series.product} by its maker", series.source), *ENDED.references]
        found = ENDED.at(claim.fact, what, apart=series.product)
        yield found.model_copy(update={"severity": severity, "references": references})


def sees(view: View, finding: Finding) -> bool:
    """Whether the version is told again, or by what stands in its place, or nothing answers there any more."""
    if not any(fact.subject == finding.subject for fact in (*view.ports, *view.services, *view.pages)):
        return True
    told = {known_as(claim.product) for claim in _claims(view) if claim.fact.subject == finding.subject}
    is_inside = any(_is_of(finding, product) for product in _INSIDE)
    return any(_is_of(finding, product) for product in told) or bool(told and not is_inside)


def _is_of(finding: Finding, product: str) -> bool:
    return stamp("host", finding.model_copy(update={"fingerprint": product})).fingerprint == finding.fingerprint


def _claims(view: View) -> Iterator[_Claim]:
    for service in view.services:
        data = service.data
        version = data.version.removeprefix("5.5.5-")  # MariaDB's prefix for old clients
        product = "mariadb" if "mariadb" in version.lower() else data.product
        if product and version:
            text = f"{data.product} {version} {service.text('comment')}"
            yield _Claim(service, data.port, product, version, text)
    for page in view.pages:
        text = f"{page.data.server} {page.data.headers.get('x-powered-by', '')}"
        for product, version in _TOKEN.findall(text):
            yield _Claim(page, page.data.port, product, version, text)
