from __future__ import annotations

import pytest

from gateway.auth import refusals


@pytest.fixture(autouse=True)
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """No refusals of the tests before are counted."""
    monkeypatch.setattr(refusals, "_seen", {})
