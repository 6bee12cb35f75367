"""An index that statistics read instead of the jobs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No job that ended is queued. Lists do not say so: SQLite would take this index for them, and sort all it finds.
    where = sa.text("finished_at IS NOT NULL AND state <> 'queued'")
    columns = ["org_id", "finished_at", "state", "started_at"]
    op.create_index("ix_jobs_ended", "jobs", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_index("ix_jobs_ended", "jobs")
