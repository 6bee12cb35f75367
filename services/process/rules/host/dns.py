"""A DNS server that resolves for whoever asks."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.rule import Rule, cwe, ref, rfc
from services.process.rules.host import Reach, View, reach
from shared.contracts.finding import Finding, Severity

RECURSION = Rule(
    id="dns-open-recursion",
    title="The DNS server resolves for strangers",
    severity=Severity.HIGH,
    why=(
        "Open resolvers amplify attacks on others (a small forged question, a large answer to the victim), and let "
        "strangers try to poison the cache that your machines trust."
    ),
    fix=(
        "BIND: `options { allow-recursion { localhost; 10.0.0.0/8; }; };`, or `recursion no;` on an authoritative "
        "server · Unbound: `access-control: 10.0.0.0/8 allow` · dnsmasq: `interface=` and `local-service`."
    ),
    references=(
        rfc(5358, "Preventing Use of Recursive Nameservers in Reflector Attacks (BCP 140)"),
        ref(
            "CISA: DNS amplification attacks",
            "https://www.cisa.gov/news-events/alerts/2013/03/29/dns-amplification-attacks",
        ),
        cwe(406, "Insufficient Control of Network Message Volume (Network Amplification)"),
    ),
)
# To resolve for one's own network is what a resolver is for.
_SEVERITY = {Reach.PUBLIC: Severity.HIGH, Reach.PRIVATE: Severity.LOW, Reach.LOOPBACK: Severity.INFO}


def judge(view: View) -> Iterator[Finding]:
    for service in view.named("dns", "domain"):
        if service.flag("recursion"):
            far = reach(service.data.address)
            what = f"{service.label} on port {service.data.port} resolved a name that is not its own. {far.note}"
            yield RECURSION.at(service, what).model_copy(update={"severity": _SEVERITY[far]})
