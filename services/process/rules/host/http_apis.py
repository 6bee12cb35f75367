"""Machine interfaces over HTTP that answered `GET /` with data which they only give to clients they let in.

Only answers that prove it: Elasticsearch with security on says 401, a mutual-TLS Docker says nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.process.facts import Fact
from services.process.rule import Rule, cwe, ref
from services.process.rules.host import Reach, View, reach
from services.process.rules.host._unguarded import milder
from shared.contracts.finding import Confidence, Finding, Severity
from shared.contracts.kinds.host import HttpFacts

_MISSING_AUTH = cwe(306, "Missing Authentication for Critical Function")

SEARCH_OPEN = Rule(
    id="elasticsearch-no-auth",
    title="Elasticsearch or OpenSearch serves anybody without authentication",
    severity=Severity.CRITICAL,
    why=(
        "Whoever reaches the port can search, copy and delete every index. Such clusters are wiped for ransom in hours."
    ),
    fix=(
        "In elasticsearch.yml: `xpack.security.enabled: true`, `xpack.security.http.ssl.enabled: true` and "
        "`network.host: 127.0.0.1` (or a private address); then `bin/elasticsearch-reset-password -u elastic`. "
        "In OpenSearch keep the security plugin: remove `plugins.security.disabled: true`."
    ),
    references=(
        ref(
            "Elasticsearch: set up minimal security",
            "https://www.elastic.co/guide/en/elasticsearch/reference/8.19/security-minimal-setup.html",
        ),
        ref("OpenSearch: security", "https://docs.opensearch.org/latest/security/"),
        _MISSING_AUTH,
    ),
)
DOCKER_OPEN = Rule(
    id="docker-api-open",
    title="The Docker API answers without a client certificate",
    severity=Severity.CRITICAL,
    confidence=Confidence.LIKELY,
    why=(
        "The Docker API gives root on the machine: a container may mount `/`. Over plain TCP it has no "
        "authentication of its own, so reaching it is enough unless an authorisation plug-in stands in front."
    ),
    fix=(
        "Remove `-H tcp://0.0.0.0:2375` (and `hosts` in /etc/docker/daemon.json); use `docker -H ssh://user@host`, or "
        '`"tlsverify": true` with `tlscacert`, `tlscert` and `tlskey` in daemon.json on port 2376.'
    ),
    references=(
        ref("Docker: protect the daemon socket", "https://docs.docker.com/engine/security/protect-access/"),
        ref("CIS Docker Benchmark", "https://www.cisecurity.org/benchmark/docker"),
        _MISSING_AUTH,
    ),
)
KUBERNETES_OPEN = Rule(
    id="kubernetes-api-anonymous",
    title="The Kubernetes API lists itself to anonymous clients",
    severity=Severity.HIGH,
    confidence=Confidence.LIKELY,
    why=(
        "The answer to `GET /` lists the API's paths, which by default only authenticated users get. Anonymous clients "
        "have been granted a role, or authorisation is AlwaysAllow, and then they are administrators of the cluster."
    ),
    fix=(
        "Start kube-apiserver with `--anonymous-auth=false` and `--authorization-mode=Node,RBAC`, and look for "
        "bindings: `kubectl get clusterrolebindings -o wide | grep -E 'system:(anonymous|unauthenticated)'`."
    ),
    references=(
        ref(
            "Kubernetes: anonymous requests",
            "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests",
        ),
        ref("CIS Kubernetes Benchmark", "https://www.cisecurity.org/benchmark/kubernetes"),
        _MISSING_AUTH,
    ),
)
_TAGLINES = ("You Know, for Search", "The OpenSearch Project: https://opensearch.org")


def judge(view: View) -> Iterator[Finding]:
    for page in view.pages:
        for rule, is_open in ((SEARCH_OPEN, _is_search), (DOCKER_OPEN, _is_docker), (KUBERNETES_OPEN, _is_kubernetes)):
            if is_open(page):
                yield _finding(rule, page)


def _finding(rule: Rule, page: Fact[HttpFacts]) -> Finding:
    far = reach(page.data.address)
    what = f"GET {page.data.url} was answered with status {page.data.status} and no demand for credentials. {far.note}"
    return milder(rule.at(page, what)) if far is Reach.LOOPBACK else rule.at(page, what)


def _is_search(page: Fact[HttpFacts]) -> bool:
    return page.data.status == 200 and any(line in body for line in _TAGLINES for body in _texts(page))


def _is_docker(page: Fact[HttpFacts]) -> bool:
    headers = page.data.headers
    named = page.data.server.startswith("Docker/") or "docker-experimental" in headers or "api-version" in headers
    refused = page.data.status == 404 and any('{"message":"page not found"}' in body for body in _texts(page))
    return refused and (named or page.data.port in {2375, 2376})


def _is_kubernetes(page: Fact[HttpFacts]) -> bool:
    return page.data.status == 200 and any('"paths"' in b and '"/api/v1"' in b for b in _texts(page))


def _texts(page: Fact[HttpFacts]) -> list[str]:
    return [evidence.text for evidence in page.evidence]
