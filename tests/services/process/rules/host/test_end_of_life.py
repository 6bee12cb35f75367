from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from services.process.judge import judge
from services.process.rules.host._lifecycle import REVIEWED, SERIES, series_of
from shared.contracts.finding import Confidence, Finding, Severity
from shared.contracts.observation import Observation

AT = datetime(2026, 11, 22, tzinfo=UTC)


def stated(product: str, version: str, comment: str = "", at: datetime = AT) -> list[Finding]:
    data = {"address": "10.0.0.5", "port": 22, "name": "x", "product": product, "version": version}
    seen = Observation(
        type="service", subject="tcp/10.0.0.5:22", data={**data, "details": {"comment": comment}}, observed_at=AT
    )
    return judge("host", [seen], at)


@pytest.mark.parametrize(
    ("product", "version", "series"),
    [
        ("OpenSSH", "8.4p1", "8"),
        ("OpenSSL", "1.0.2k-fips", "1.0.2"),
        ("OpenSSL", "1.1.1", "1.1.1"),
        ("nginx", "1.18.0", "1.18"),
        ("Apache", "2.2.34", "2.2"),
        ("PostgreSQL", "13.4", "13"),
        ("MariaDB", "10.5.23", "10.5"),
        ("PHP", "8.1.0", "8.1"),
    ],
)
def test_a_version_belongs_to_its_series(product: str, version: str, series: str) -> None:
    found = series_of(product, version)
    assert found is not None
    assert found.series == series


@pytest.mark.parametrize(("product", "version"), [("nginx", "1.180"), ("nginx", ""), ("Thing", "1.18")])
def test_what_is_not_known_has_no_series(product: str, version: str) -> None:
    assert series_of(product, version) is None


def test_support_ends_after_its_last_day() -> None:
    last = datetime(2025, 11, 13, 23, tzinfo=UTC)
    assert stated("PostgreSQL", "13.4", at=last) == []
    assert stated("PostgreSQL", "13.4", at=last.replace(day=14))


def test_a_banner_is_never_certain_and_the_reader_is_told_of_backports() -> None:
    finding = stated("OpenSSH", "8.4p1")[0]
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, Confidence.POSSIBLE)
    assert "distributions" in finding.why
    assert finding.references[0].url == "https://www.openssh.com/releasenotes.html"


def test_a_package_of_a_distribution_is_information_only() -> None:
    assert stated("OpenSSH", "8.4p1", "Debian-5+deb11u3")[0].severity is Severity.INFO


def test_every_product_in_a_web_servers_headers_is_judged_once() -> None:
    headers = {"server": "Apache/2.2.15 (Unix) OpenSSL/1.0.1e", "x-powered-by": "PHP/5.3.3"}
    data = {"address": "10.0.0.5", "port": 80, "scheme": "http", "url": "http://x/", "status": 404, "headers": headers}
    page = Observation(
        type="http", subject="tcp/10.0.0.5:80", data={**data, "server": headers["server"]}, observed_at=AT
    )
    whats = [finding.what for finding in judge("host", [page, page], AT) if finding.rule == "end-of-life"]
    assert sorted(what.split()[3] for what in whats) == ["Apache", "OpenSSL", "PHP"]


def test_the_table_is_of_known_days_with_sources_and_no_series_twice() -> None:
    assert len({(each.product, each.series) for each in SERIES}) == len(SERIES)
    assert all(each.source.startswith("https://") and each.product.islower() for each in SERIES)
    assert all(date(2005, 1, 1) < each.ended < date(2035, 1, 1) for each in SERIES)
    assert date(2026, 11, 22) <= REVIEWED
