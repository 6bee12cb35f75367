"""Commands of SMTP that tell strangers which mailboxes exist."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.rule import Rule, cwe, ref, rfc
from services.process.rules.host import View
from shared.contracts.finding import Confidence, Finding, Severity

ENUMERATION = Rule(
    id="smtp-user-enumeration",
    title="SMTP offers to verify users (VRFY or EXPN)",
    severity=Severity.LOW,
    confidence=Confidence.POSSIBLE,
    why=(
        "VRFY and EXPN answer whether a mailbox exists, which is a list for guessing passwords and for phishing. Some "
        "servers offer them and always answer 252, which says nothing: hence only possible."
    ),
    fix=(
        "Postfix: `disable_vrfy_command = yes` · Exim: leave `acl_smtp_vrfy` and `acl_smtp_expn` unset · Sendmail: "
        "`O PrivacyOptions=goaway`."
    ),
    references=(
        rfc(5321, "Simple Mail Transfer Protocol, section 7.3: VRFY, EXPN, and Security"),
        ref("Postfix: disable_vrfy_command", "https://www.postfix.org/postconf.5.html#disable_vrfy_command"),
        cwe(204, "Observable Response Discrepancy"),
    ),
)


def judge(view: View) -> Iterator[Finding]:
    for service in view.named("smtp", "submission"):
        offered = sorted({line.upper().split(" ")[0] for line in service.names("capabilities")} & {"VRFY", "EXPN"})
        if offered:
            yield ENUMERATION.at(
                service, f"{service.label} on port {service.data.port} offers {' and '.join(offered)}."
            )
