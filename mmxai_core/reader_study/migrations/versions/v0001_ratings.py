"""Format 1: the ratings of the Survey page, in two tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "submission",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("token", sa.String(64), nullable=False, unique=True),
        sa.Column("reader", sa.String(32), nullable=False),
        sa.Column("case_code", sa.String(64), nullable=False),
        sa.Column("instrument", sa.String(64), nullable=False),
        sa.Column("instrument_version", sa.String(16), nullable=False),
        sa.Column("iteration", sa.Integer, nullable=False),
        sa.Column("supersedes", sa.Integer, sa.ForeignKey("submission.id"), unique=True),
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("bundle_sha256", sa.String(64), nullable=False),
        sa.Column("explanation_id", sa.String(64), nullable=False),
        sa.Column("predicted_class", sa.String(64), nullable=False),
        sa.Column("probability", sa.Float, nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("reader", "case_code", "explanation_id", "instrument", "iteration"),
    )
    op.create_table(
        "answer",
        sa.Column("submission_id", sa.Integer, sa.ForeignKey("submission.id"), primary_key=True),
        sa.Column("item", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("value", sa.Integer),
        sa.Column("text", sa.Text, nullable=False),
        sa.CheckConstraint("state IN ('answered', 'no_answer')"),
        sa.CheckConstraint("value IS NULL OR (value BETWEEN 1 AND 5)"),
    )
