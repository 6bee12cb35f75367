"""The one-machine stack: a bundled Redis, the gateway, the control loops and the four workers, supervised as children.

It is the same system as in production; only the way it is started differs. Standard library alone, so that `vedette`
starts at once.
"""

from vedette.stack.check import Check
from vedette.stack.doctor import doctor
from vedette.stack.home import home
from vedette.stack.lifecycle import Access, connect, down, logs, running, status, up
from vedette.stack.record import ChildStatus

__all__ = ["Access", "Check", "ChildStatus", "connect", "doctor", "down", "home", "logs", "running", "status", "up"]
