"""The days on which makers ended the fixes for a series of their product. Each source is the maker's own page.

Only days that have been announced. A series that is not here is not judged: silence is not support.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

REVIEWED = date(2026, 11, 22)  # when this table was last compared with its sources

_POSTGRESQL = "https://www.postgresql.org/support/versioning/"
_MYSQL = "https://www.oracle.com/us/support/library/lifetime-support-technology-069183.pdf"
_MARIADB = "https://mariadb.org/about/#maintenance-policy"
_MONGODB = "https://www.mongodb.com/legal/support-policy/lifecycles"
_REDIS = "https://github.com/redis/redis/security/policy"
_NGINX = "https://nginx.org/en/download.html"
_APACHE = "https://httpd.apache.org/security/vulnerabilities_22.html"
_PHP = "https://www.php.net/eol.php"
_OPENSSL = "https://openssl-library.org/policies/releasestrat/"
_OPENSSH = "https://www.openssh.com/releasenotes.html"


@dataclass(frozen=True)
class Series:
    """One series: versions that are `series`, or begin with it and a dot (or a letter, as OpenSSL 1.0.2k)."""

    product: str
    series: str
    ended: date
    source: str


SERIES: tuple[Series, ...] = (
    Series("postgresql", "9.4", date(2020, 2, 13), _POSTGRESQL),
    Series("postgresql", "9.5", date(2021, 2, 11), _POSTGRESQL),
    Series("postgresql", "9.6", date(2021, 11, 11), _POSTGRESQL),
    Series("postgresql", "10", date(2022, 11, 10), _POSTGRESQL),
    Series("postgresql", "11", date(2023, 11, 9), _POSTGRESQL),
    Series("postgresql", "12", date(2024, 11, 21), _POSTGRESQL),
    Series("postgresql", "13", date(2025, 11, 13), _POSTGRESQL),
    Series("postgresql", "14", date(2026, 11, 12), _POSTGRESQL),
    Series("postgresql", "15", date(2027, 11, 11), _POSTGRESQL),
    Series("mysql", "5.5", date(2018, 12, 31), _MYSQL),
    Series("mysql", "5.6", date(2021, 2, 28), _MYSQL),
    Series("mysql", "5.7", date(2023, 10, 31), _MYSQL),
    Series("mysql", "8.0", date(2026, 4, 30), _MYSQL),
    Series("mariadb", "5.5", date(2020, 4, 11), _MARIADB),
    Series("mariadb", "10.0", date(2019, 3, 31), _MARIADB),
    Series("mariadb", "10.1", date(2020, 10, 17), _MARIADB),
    Series("mariadb", "10.2", date(2022, 5, 23), _MARIADB),
    Series("mariadb", "10.3", date(2023, 5, 25), _MARIADB),
    Series("mariadb", "10.4", date(2024, 6, 18), _MARIADB),
    Series("mariadb", "10.5", date(2025, 6, 24), _MARIADB),
    Series("mariadb", "10.6", date(2026, 7, 6), _MARIADB),
    Series("mongodb", "3.6", date(2021, 4, 30), _MONGODB),
    Series("mongodb", "4.0", date(2022, 4, 30), _MONGODB),
    Series("mongodb", "4.2", date(2023, 4, 30), _MONGODB),
    Series("mongodb", "4.4", date(2024, 2, 29), _MONGODB),
    Series("mongodb", "5.0", date(2024, 10, 31), _MONGODB),
    Series("mongodb", "6.0", date(2025, 7, 31), _MONGODB),
    Series("mongodb", "7.0", date(2027, 8, 31), _MONGODB),
    Series("redis", "5.0", date(2022, 4, 27), _REDIS),
    Series("redis", "6.0", date(2022, 5, 31), _REDIS),
    Series("redis", "7.0", date(2024, 7, 29), _REDIS),
    Series("nginx", "1.14", date(2019, 4, 23), _NGINX),
    Series("nginx", "1.16", date(2020, 4, 21), _NGINX),
    Series("nginx", "1.18", date(2021, 4, 20), _NGINX),
    Series("nginx", "1.20", date(2022, 5, 24), _NGINX),
    Series("nginx", "1.22", date(2023, 4, 11), _NGINX),
    Series("nginx", "1.24", date(2024, 4, 23), _NGINX),
    Series("nginx", "1.26", date(2025, 4, 23), _NGINX),
    Series("apache", "1.3", date(2010, 2, 3), _APACHE),
    Series("apache", "2.0", date(2013, 7, 10), _APACHE),
    Series("apache", "2.2", date(2017, 7, 11), _APACHE),
    Series("php", "5.3", date(2014, 8, 14), _PHP),
    Series("php", "5.4", date(2015, 9, 14), _PHP),
    Series("php", "5.5", date(2016, 7, 21), _PHP),
    Series("php", "5.6", date(2018, 12, 31), _PHP),
    Series("php", "7.0", date(2019, 1, 10), _PHP),
    Series("php", "7.1", date(2019, 12, 1), _PHP),
    Series("php", "7.2", date(2020, 11, 30), _PHP),
    Series("php", "7.3", date(2021, 12, 6), _PHP),
    Series("php", "7.4", date(2022, 11, 28), _PHP),
    Series("php", "8.0", date(2023, 11, 26), _PHP),
    Series("php", "8.1", date(2025, 12, 31), _PHP),
    Series("php", "8.2", date(2026, 12, 31), _PHP),
    Series("php", "8.3", date(2027, 12, 31), _PHP),
    Series("openssl", "1.0.1", date(2016, 12, 31), _OPENSSL),
    Series("openssl", "1.0.2", date(2019, 12, 31), _OPENSSL),
    Series("openssl", "1.1.0", date(2019, 9, 11), _OPENSSL),
    Series("openssl", "1.1.1", date(2023, 9, 11), _OPENSSL),
    Series("openssl", "3.0", date(2026, 9, 7), _OPENSSL),
    # OpenSSH mends only its newest release; a major series ends with the first release of the next.
    Series("openssh", "5", date(2012, 4, 22), _OPENSSH),
    Series("openssh", "6", date(2015, 8, 11), _OPENSSH),
    Series("openssh", "7", date(2019, 4, 17), _OPENSSH),
    Series("openssh", "8", date(2022, 4, 8), _OPENSSH),
)
_ALIASES = {"apache httpd": "apache", "httpd": "apache", "apache http server": "apache", "postgres": "postgresql"}


def series_of(product: str, version: str) -> Series | None:
    """Return the series that `version` of `product` belongs to, the longest that fits, or None."""
    name = known_as(product)
    fitting = [known for known in SERIES if known.product == name and _fits(version, known.series)]
    return max(fitting, key=lambda known: len(known.series), default=None)


def known_as(product: str) -> str:
    """Return the name that `SERIES` has for `product`, for which servers have several."""
    return _ALIASES.get(product.lower(), product.lower())


def _fits(version: str, series: str) -> bool:
    rest = version.removeprefix(series)
    return version.startswith(series) and not rest[:1].isdigit()
