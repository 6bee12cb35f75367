"""What can go wrong with the local stack."""

from __future__ import annotations

from shared.errors import Conflict, Infrastructure, Permanent


class HomeUnusable(Permanent):
    """The state folder cannot be written."""


class AlreadyRunning(Conflict):
    """A stack runs in this state folder."""


class NoServer(Permanent):
    """No Redis-compatible server was found."""


class PortTaken(Conflict):
    """Somebody else listens on the gateway's port."""


class DidNotStart(Infrastructure):
    """A part of the stack did not come up."""
