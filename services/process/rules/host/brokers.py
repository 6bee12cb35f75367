"""Message brokers that let anybody publish and subscribe."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.rule import Rule, cwe, ref
from services.process.rules.host import View
from services.process.rules.host._unguarded import unguarded
from shared.contracts.finding import Confidence, Finding, Severity

_MISSING_AUTH = cwe(306, "Missing Authentication for Critical Function")

MQTT_OPEN = Rule(
    id="mqtt-anonymous",
    title="The MQTT broker accepts anonymous clients",
    severity=Severity.HIGH,
    why=(
        "Whoever reaches the port can read all topics it is allowed to, often `#`, and publish commands to devices: "
        "sensors leak, actuators obey."
    ),
    fix=(
        "In mosquitto.conf: `allow_anonymous false` and `password_file /etc/mosquitto/passwd` (made by "
        "`mosquitto_passwd -c /etc/mosquitto/passwd USER`), an `acl_file`, and a TLS listener on 8883."
    ),
    references=(
        ref("mosquitto.conf: allow_anonymous", "https://mosquitto.org/man/mosquitto-conf-5.html"),
        ref("MQTT 3.1.1, chapter 5: security", "https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html"),
        _MISSING_AUTH,
    ),
)
AMQP_OPEN = Rule(
    id="amqp-anonymous",
    title="The AMQP broker offers anonymous logins",
    severity=Severity.HIGH,
    confidence=Confidence.POSSIBLE,
    why=(
        "Whoever reaches the port may be able to read, drop and forge the messages that applications act upon. "
        "RabbitMQ 4 offers ANONYMOUS by default and maps it to guest, whom it lets in over loopback only: hence "
        "possible."
    ),
    fix=(
        "In rabbitmq.conf: `anonymous_login_user = none`, and only `auth_mechanisms.1 = PLAIN`; delete the user guest: "
        "`rabbitmqctl delete_user guest`."
    ),
    references=(
        ref("RabbitMQ: access control", "https://www.rabbitmq.com/docs/access-control"),
        ref("RabbitMQ: production checklist", "https://www.rabbitmq.com/docs/production-checklist"),
        _MISSING_AUTH,
    ),
)


def judge(view: View) -> Iterator[Finding]:
    for service in view.named("mqtt"):
        yield from unguarded(MQTT_OPEN, service)
    for service in view.named("amqp"):
        yield from unguarded(AMQP_OPEN, service)
