"""The receivers of the notification's tests."""

from __future__ import annotations

from tests.shared.notification.conftest import authority, notice, receiver, tls_receiver

__all__ = ["authority", "notice", "receiver", "tls_receiver"]
