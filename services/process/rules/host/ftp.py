"""FTP servers that let anybody in. Public archives do so on purpose; all others by mistake."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.rule import Rule, cwe, ref, rfc
from services.process.rules.host import View
from services.process.rules.host._unguarded import unguarded
from shared.contracts.finding import Finding, Severity

ANONYMOUS = Rule(
    id="ftp-anonymous",
    title="FTP lets anonymous users in",
    severity=Severity.MEDIUM,
    why="Anybody can read what lies there, and where uploads are allowed, store and pass on what they like.",
    fix=(
        "vsftpd.conf: `anonymous_enable=NO` · ProFTPD: remove the `<Anonymous>` section · Pure-FTPd: `NoAnonymous "
        "yes`. A public archive is better served over HTTPS."
    ),
    references=(
        rfc(1635, "How to Use Anonymous FTP"),
        ref("vsftpd.conf: anonymous_enable", "https://security.appspot.com/vsftpd/vsftpd_conf.html"),
        cwe(306, "Missing Authentication for Critical Function"),
    ),
)


def judge(view: View) -> Iterator[Finding]:
    for service in view.named("ftp"):
        yield from unguarded(ANONYMOUS, service)
