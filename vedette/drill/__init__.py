"""Drills: real small jobs against listeners of our own, while a part of the local stack is hurt; then a scorecard.

Nothing but children of the user's own stack is ever hurt; its supervisor starts them again.
"""

from vedette.drill.scorecard import Scorecard
from vedette.drill.trial import Trial
from vedette.drill.victim import Victim, victim

__all__ = ["Scorecard", "Trial", "Victim", "victim"]
