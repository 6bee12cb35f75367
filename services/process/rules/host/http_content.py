"""What the first page gives away: a directory's listing, PHP's configuration, an open console, a default page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.process.rule import Rule, cwe, ref
from services.process.rules.host import View, reach
from shared.contracts.finding import Confidence, Finding, Severity

LISTING = Rule(
    id="http-directory-listing",
    title="The server lists its directory",
    severity=Severity.MEDIUM,
    confidence=Confidence.LIKELY,
    why="Anybody sees all file names: backups, configuration and unfinished work that no page links to.",
    fix=(
        "nginx: `autoindex off;` · Apache: `Options -Indexes` · Python's http.server: do not use it for others; then "
        "look through what was listed."
    ),
    references=(
        cwe(548, "Exposure of Information Through Directory Listing"),
        ref("nginx: autoindex", "https://nginx.org/en/docs/http/ngx_http_autoindex_module.html"),
    ),
)
PHPINFO = Rule(
    id="http-phpinfo",
    title="phpinfo() is public",
    severity=Severity.MEDIUM,
    confidence=Confidence.LIKELY,
    why="It shows paths, versions, modules and environment variables, which often hold credentials.",
    fix="Delete the file, and change every secret that the page showed.",
    references=(
        cwe(200, "Exposure of Sensitive Information to an Unauthorized Actor"),
        ref("PHP: phpinfo", "https://www.php.net/manual/en/function.phpinfo.php"),
    ),
)
CONSOLE = Rule(
    id="http-open-console",
    title="An operator's console opens without a login",
    severity=Severity.MEDIUM,
    confidence=Confidence.LIKELY,
    why="It shows machines, jobs and metrics to everybody, and some of these consoles run commands.",
    fix=(
        "Bind it to loopback or a private address and put a login in front: `--web.config.file` in Prometheus, "
        "`Authorization` in Jenkins, `auth_basic` or single sign-on in the reverse proxy."
    ),
    references=(
        cwe(306, "Missing Authentication for Critical Function"),
        ref(
            "Prometheus: securing endpoints with basic authentication", "https://prometheus.io/docs/guides/basic-auth/"
        ),
    ),
)
DEFAULT = Rule(
    id="http-default-page",
    title="A default page is served",
    severity=Severity.INFO,
    confidence=Confidence.LIKELY,
    why="The server was installed and not set up: nobody may be looking after it, and it names its software.",
    fix=(
        "Remove the default site (Debian: `rm /etc/nginx/sites-enabled/default`, `a2dissite 000-default`) or the "
        "server."
    ),
    references=(cwe(1188, "Initialization of a Resource with an Insecure Default"),),
)
_TITLES: tuple[tuple[Rule, re.Pattern[str]], ...] = (
    (LISTING, re.compile(r"(Index of /|Directory listing (for|of) /|Listing directory /)", re.IGNORECASE)),
    (PHPINFO, re.compile(r"(PHP [\d.]+\S* - )?phpinfo\(\)", re.IGNORECASE)),
    (
        CONSOLE,
        re.compile(
            r"Prometheus Time Series Collection|Dashboard( \[Jenkins\]| - Jenkins)|Alertmanager$", re.IGNORECASE
        ),
    ),
    (
        DEFAULT,
        re.compile(
            r"Welcome to nginx!|Apache2 (Debian|Ubuntu) Default Page|Test Page for the (Nginx|Apache|HTTP Server)"
            r"|HTTP Server Test Page|IIS Windows( Server)?$|IIS\d|Apache Tomcat/\d|Welcome to (CentOS|OpenResty)",
            re.IGNORECASE,
        ),
    ),
)


def judge(view: View) -> Iterator[Finding]:
    for page in view.pages:
        title = page.data.title.strip()
        for rule, pattern in _TITLES:
            if 200 <= page.data.status < 300 and pattern.match(title):
                yield rule.at(page, f"{page.data.url} has the title “{title[:100]}”. {reach(page.data.address).note}")
                break
