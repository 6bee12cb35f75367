"""The judgement all services without authentication share: proven by an answer, milder where only loopback is known."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.rule import Rule
from services.process.rules.host import Reach, Service, reach
from shared.contracts.finding import Finding, Severity

_MILDER = {Severity.CRITICAL: Severity.HIGH, Severity.HIGH: Severity.MEDIUM, Severity.MEDIUM: Severity.LOW}


def unguarded(rule: Rule, service: Service) -> Iterator[Finding]:
    """Yield the finding of `rule` if the service answered without credentials.

    Over loopback it is one step milder: every local process has the data, but nothing more is proven.
    """
    if service.flag("auth_required") is not False:
        return
    far = reach(service.data.address)
    what = f"{service.label} on port {service.data.port} answered without asking for credentials. {far.note}"
    yield milder(rule.at(service, what)) if far is Reach.LOOPBACK else rule.at(service, what)


def milder(finding: Finding) -> Finding:
    """Return `finding` one severity lower, from critical down to low."""
    return finding.model_copy(update={"severity": _MILDER.get(finding.severity, finding.severity)})
