"""VNC without a real login, and RDP that shows its login screen before it knows who is there."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.rule import Rule, cwe, ref, rfc
from services.process.rules.host import Reach, Service, View, reach
from services.process.rules.host._unguarded import milder
from shared.contracts.finding import Finding, Severity

VNC_OPEN = Rule(
    id="vnc-no-auth",
    title="VNC shows the desktop to anybody",
    severity=Severity.CRITICAL,
    why="The server offers the security type None: whoever reaches the port sees the screen and types as its user.",
    fix=(
        "Set a password and TLS, e.g. TigerVNC: `vncpasswd`, then `SecurityTypes=TLSVnc,X509Vnc` and `localhost=yes` "
        "in ~/.vnc/config, and connect through SSH: `ssh -L 5901:127.0.0.1:5901 host`."
    ),
    references=(
        rfc(6143, "The Remote Framebuffer Protocol, section 7.2.1"),
        cwe(306, "Missing Authentication for Critical Function"),
    ),
)
VNC_WEAK = Rule(
    id="vnc-weak-auth",
    title="VNC only offers its classic, weak authentication",
    severity=Severity.MEDIUM,
    why=(
        "VNC Authentication is single DES with a password cut to eight characters, and neither it nor the session is "
        "encrypted: it can be guessed offline from one recorded login."
    ),
    fix=(
        "Offer only types with TLS, e.g. TigerVNC `SecurityTypes=X509Vnc,TLSVnc`, or bind to loopback "
        "(`localhost=yes`) and connect through SSH."
    ),
    references=(
        rfc(6143, "The Remote Framebuffer Protocol, section 7.2.2"),
        cwe(326, "Inadequate Encryption Strength"),
    ),
)
RDP_NO_NLA = Rule(
    id="rdp-no-nla",
    title="RDP does not require Network Level Authentication",
    severity=Severity.MEDIUM,
    why=(
        "Without NLA the server builds a session for everybody who connects: flaws before login (such as BlueKeep) are "
        "within reach, sessions cost its memory, and classic RDP security has no proof of the server's identity."
    ),
    fix=(
        "Require NLA: group policy `Require user authentication for remote connections by using Network Level "
        "Authentication`, or `(Get-WmiObject -Class Win32_TSGeneralSetting -Namespace "
        "root\\cimv2\\terminalservices).SetUserAuthenticationRequired(1)`. xrdp: `security_layer=tls`, behind "
        "SSH or a VPN."
    ),
    references=(
        ref(
            "Microsoft: Network Level Authentication in Remote Desktop Services",
            "https://learn.microsoft.com/en-us/previous-versions/windows/it-pro/windows-server-2008-R2-and-2008/cc732713(v=ws.11)",
        ),
        ref("CVE-2019-0708 (BlueKeep)", "https://nvd.nist.gov/vuln/detail/CVE-2019-0708"),
        cwe(287, "Improper Authentication"),
    ),
)
_NONE = {"none", "1"}
_CLASSIC = {"vnc authentication", "vncauth", "vnc_auth", "vnc", "2"}


def judge(view: View) -> Iterator[Finding]:
    for service in view.named("vnc"):
        yield from _vnc(service)
    for service in view.named("rdp"):
        offered = {name.lower() for name in service.names("protocols")}
        if offered & {"rdp", "tls"}:
            without = ", ".join(sorted(offered & {"rdp", "tls"}))
            what = f"RDP on port {service.data.port} accepts connections without NLA (offered: {without})."
            yield RDP_NO_NLA.at(service, f"{what} {reach(service.data.address).note}")


def _vnc(service: Service) -> Iterator[Finding]:
    types = {name.lower() for name in service.names("security_types")}
    far = reach(service.data.address)
    offer = f"{service.label} on port {service.data.port} offers the security types"
    offer = f"{offer} {', '.join(service.names('security_types'))}. {far.note}"
    if types & _NONE:
        found = VNC_OPEN.at(service, offer)
        yield milder(found) if far is Reach.LOOPBACK else found
    elif types and types <= _CLASSIC and not service.data.tls:
        yield VNC_WEAK.at(service, offer)
