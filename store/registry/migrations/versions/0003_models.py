"""Models with their card, the facts and the code they were made of, and which one serves.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # No defaults: nothing could write a model before, and one from elsewhere must be looked at by a person.
    with op.batch_alter_table("models") as models:
        models.add_column(sa.Column("card", sa.JSON(), nullable=False))
        models.add_column(sa.Column("lake_versions", sa.JSON(), nullable=False))
        models.add_column(sa.Column("code_version", sa.Text(), nullable=False))
        models.add_column(sa.Column("status", sa.Text(), nullable=False))


def downgrade() -> None:
    raise NotImplementedError("which model served is kept: this migration is not undone")
