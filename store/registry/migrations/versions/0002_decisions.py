"""Decisions on looks with their outcomes, trust results, and readouts in two parts.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

from store.registry.migrations.kept import refuse_changes

revision = "0002"
down_revision = "0001"

KEPT_FOR_EVER = ("decisions", "outcomes", "trust_results")


def upgrade() -> None:
    op.add_column("looks", sa.Column("segment_history", sa.Text(), nullable=True))
    # No default: nothing could write a decision before, and one from elsewhere must be looked at by a person.
    with op.batch_alter_table("decisions") as decisions:
        decisions.add_column(sa.Column("override", sa.Boolean(), nullable=False))
        decisions.alter_column("look_id", existing_type=sa.Integer(), nullable=False)
    op.create_table(
        "outcomes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("decision_id", sa.Integer(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("look_id", sa.Integer(), nullable=True),
        sa.Column("estimate", sa.Double(), nullable=True),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_outcomes_decision_id")),
        sa.ForeignKeyConstraint(["look_id"], ["looks.id"], name=op.f("fk_outcomes_look_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outcomes")),
    )
    op.create_index(op.f("ix_outcomes_decision_id"), "outcomes", ["decision_id"], unique=False)
    op.create_table(
        "trust_results",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("lake_versions", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_trust_results_experiment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trust_results")),
    )
    op.create_index(
        op.f("ix_trust_results_experiment_id_made_at"), "trust_results", ["experiment_id", "made_at"], unique=False
    )
    for table in KEPT_FOR_EVER:
        refuse_changes(table)


def downgrade() -> None:
    raise NotImplementedError("decisions are kept for ever: this migration is not undone")
