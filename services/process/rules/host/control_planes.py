"""Control planes of clusters, where the scanner proved that no credentials are needed."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.rule import Rule, cwe, ref
from services.process.rules.host import View
from services.process.rules.host._unguarded import unguarded
from shared.contracts.finding import Finding, Severity

_MISSING_AUTH = cwe(306, "Missing Authentication for Critical Function")

ETCD_OPEN = Rule(
    id="etcd-no-auth",
    title="etcd serves anybody without a client certificate",
    severity=Severity.CRITICAL,
    why="etcd holds all of a cluster's state, secrets included; who may write to it rules the cluster.",
    fix=(
        "Start etcd with `--client-cert-auth=true --trusted-ca-file=ca.crt --cert-file=server.crt "
        "--key-file=server.key` and `--listen-client-urls=https://127.0.0.1:2379`; open 2379 and 2380 only to the "
        "control plane."
    ),
    references=(
        ref("etcd: transport security model", "https://etcd.io/docs/v3.5/op-guide/security/"),
        ref(
            "Kubernetes: securing etcd clusters",
            "https://kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd/#securing-etcd-clusters",
        ),
        _MISSING_AUTH,
    ),
)
KUBELET_OPEN = Rule(
    id="kubelet-no-auth",
    title="The kubelet serves anonymous clients",
    severity=Severity.CRITICAL,
    why="The kubelet's API lists the pods, shows their logs and, on port 10250, runs commands inside them.",
    fix=(
        "In the kubelet's config.yaml: `authentication: {anonymous: {enabled: false}, webhook: {enabled: true}}`, "
        "`authorization: {mode: Webhook}` and `readOnlyPort: 0`; then `systemctl restart kubelet`."
    ),
    references=(
        ref(
            "Kubernetes: kubelet authentication and authorization",
            "https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/",
        ),
        ref("CIS Kubernetes Benchmark", "https://www.cisecurity.org/benchmark/kubernetes"),
        _MISSING_AUTH,
    ),
)
ZOOKEEPER_OPEN = Rule(
    id="zookeeper-no-auth",
    title="ZooKeeper serves anybody without authentication",
    severity=Severity.HIGH,
    why="ZooKeeper keeps the configuration of Kafka, Hadoop and others; who may write to it steers them.",
    fix=(
        "In zoo.cfg: `enforce.auth.enabled=true`, `enforce.auth.schemes=sasl`, `4lw.commands.whitelist=srvr` and "
        "`clientPortAddress=127.0.0.1` (or a private address)."
    ),
    references=(
        ref("ZooKeeper administrator's guide", "https://zookeeper.apache.org/doc/current/zookeeperAdmin.html"),
        _MISSING_AUTH,
    ),
)
_RULES = {ETCD_OPEN: "etcd", KUBELET_OPEN: "kubelet", ZOOKEEPER_OPEN: "zookeeper"}


def judge(view: View) -> Iterator[Finding]:
    for rule, name in _RULES.items():
        for service in view.named(name):
            yield from unguarded(rule, service)
