"""Counters of tasks say their queue: those that did not begin anew, as counters may"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_OF_TASKS = sa.text("DELETE FROM counters WHERE name LIKE 'celery_task_%'")


def upgrade() -> None:
    op.execute(_OF_TASKS)


def downgrade() -> None:
    op.execute(_OF_TASKS)
