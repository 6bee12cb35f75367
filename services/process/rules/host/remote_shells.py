"""Remote logins that send everything in the clear: telnet and the r-services. Judged only where identified."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.rule import Rule, cwe, rfc
from services.process.rules.host import View, reach
from shared.contracts.finding import Finding, Severity

TELNET = Rule(
    id="telnet-in-use",
    title="Telnet gives logins without encryption",
    severity=Severity.HIGH,
    why="Passwords and everything typed travel in the clear: who sits on the path reads and takes over the session.",
    fix=(
        "Use SSH. Debian: `apt purge telnetd inetutils-telnetd`; systemd: `systemctl disable --now telnet.socket`; on "
        "network gear: `transport input ssh` on the vty lines."
    ),
    references=(
        cwe(319, "Cleartext Transmission of Sensitive Information"),
        rfc(4251, "The Secure Shell (SSH) Protocol Architecture"),
    ),
)
R_SERVICES = Rule(
    id="r-services-in-use",
    title="rlogin, rsh or rexec is running",
    severity=Severity.HIGH,
    why="They trust the client's address and its claimed user name, and send everything, passwords too, in the clear.",
    fix=(
        "Use SSH. Remove the server (`apt purge rsh-server rsh-redone-server`), its lines in /etc/inetd.conf, and "
        "every `.rhosts` and /etc/hosts.equiv."
    ),
    references=(
        cwe(319, "Cleartext Transmission of Sensitive Information"),
        cwe(290, "Authentication Bypass by Spoofing"),
        rfc(1282, "BSD Rlogin (its security considerations)"),
    ),
)
_R_NAMES = ("login", "rlogin", "shell", "rsh", "exec", "rexec")


def judge(view: View) -> Iterator[Finding]:
    for service in view.named("telnet"):
        if not service.data.tls:
            yield TELNET.at(
                service, f"A telnet server answers on port {service.data.port}. {_note(service.data.address)}"
            )
    for service in view.named(*_R_NAMES):
        what = f"The r-service `{service.data.name}` answers on port {service.data.port}. {_note(service.data.address)}"
        yield R_SERVICES.at(service, what)


def _note(address: str) -> str:
    return reach(address).note
