"""Format 2: studies. Ratings of format 1 become answers of the study "survey", with their ids, times and history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from mmxai_core.reader_study import survey_study as survey

revision = "0002"
down_revision = "0001"

_TABLES = ("study", "arm", "reader", "study_case", "assignment", "submission", "answer", "event")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Take the old rows out, make the new tables, put the rows in, then refuse changes."""
    connection = op.get_bind()
    submissions = _rows(connection, "submission", "id")
    answers = _rows(connection, "answer", "submission_id")
    op.drop_table("answer")
    op.drop_table("submission")
    _make_tables()
    _move(connection, submissions, answers)
    for statement in _triggers(connection.dialect.name):
        op.execute(statement)


def _rows(connection: sa.Connection, table: str, order: str) -> list[Mapping[str, Any]]:
    """Rows of an old table as they lie there: SQLite's times stay text, so that not a digit of them changes."""
    found = connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY {order}")).mappings()
    return [dict(row) for row in found]


def _make_tables() -> None:
    op.create_table(
        "study", _id(), _text("code", 48), _whole("version"), _text("title", 200),
        sa.Column("protocol", sa.Text, nullable=False), sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        _text("parent", 64), _when("locked_at"), sa.UniqueConstraint("code", "version"),
    )  # fmt: skip
    op.create_table(
        "arm", _id(), _of("study", nullable=False), _text("code", 48), _text("kind", 16), _text("title", 200),
        sa.UniqueConstraint("study_id", "code"),
    )  # fmt: skip
    op.create_table(
        "reader", _id(), _of("study", nullable=False), sa.Column("code", sa.String(32), nullable=False, index=True),
        _text("stratum", 64), sa.UniqueConstraint("study_id", "code"),
    )  # fmt: skip
    op.create_table(
        "study_case", _id(), _of("study", nullable=False), sa.Column("code", sa.String(64), nullable=False, index=True),
        _text("stratum", 64), sa.Column("truth", sa.Boolean), _yes("practice"), sa.UniqueConstraint("study_id", "code"),
    )  # fmt: skip
    op.create_table(
        "assignment", _id(), _of("study", nullable=False, index=True), _of("reader", nullable=False),
        _of("arm", nullable=False), _of("study_case", nullable=False), _whole("period"), _whole("position"),
        _yes("practice"), _yes("seeded_wrong"), _yes("placebo"), sa.UniqueConstraint("reader_id", "arm_id", "case_id"),
        sa.Index("ix_assignment_reader", "reader_id"),
    )  # fmt: skip
    op.create_table(
        "submission", _id(), sa.Column("token", sa.String(64), nullable=False, unique=True),
        _of("study", nullable=False), _of("reader", nullable=False), _of("assignment", index=True), _text("slot", 200),
        _text("kind", 16), _whole("period"), _text("stage", 16), _text("instrument", 64),
        _text("instrument_version", 16), _whole("iteration"),
        sa.Column("supersedes", sa.Integer, sa.ForeignKey("submission.id"), unique=True), _text("bundle", 64),
        _text("bundle_sha256", 64), _text("explanation_id", 64), sa.Column("explainer", sa.Text, nullable=False),
        _text("predicted_class", 64), sa.Column("probability", sa.Double), sa.Column("active_s", sa.Double),
        sa.Column("idle_s", sa.Double), _when("opened_at"), _when("saved_at"), _yes("imported"),
        sa.UniqueConstraint("slot", "iteration"), sa.Index("ix_submission_study_reader", "study_id", "reader_id"),
    )  # fmt: skip
    op.create_table(
        "answer", sa.Column("submission_id", sa.Integer, sa.ForeignKey("submission.id"), primary_key=True),
        sa.Column("item", sa.String(64), primary_key=True), _whole("position"), _text("state", 16),
        sa.Column("value", sa.Double), sa.Column("text", sa.Text, nullable=False),
        sa.CheckConstraint("state IN ('answered', 'no_answer')", name="answer_state"),
        sa.CheckConstraint("state = 'answered' OR value IS NULL", name="no_answer_has_no_value"),
    )  # fmt: skip
    op.create_table(
        "event", _id(), sa.Column("token", sa.String(64), nullable=False, unique=True), _of("study", nullable=False),
        _of("reader"), _of("assignment"), _text("kind", 16), _text("stage", 16), _when("at"),
        sa.Column("data", sa.Text, nullable=False), sa.Index("ix_event_study_reader", "study_id", "reader_id"),
    )  # fmt: skip


#: Column of a foreign key by the table it names.
_KEY = {"study": "study", "reader": "reader", "arm": "arm", "study_case": "case", "assignment": "assignment"}


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)


def _of(table: str, *, nullable: bool = True, index: bool = False) -> sa.Column[int]:
    return sa.Column(f"{_KEY[table]}_id", sa.Integer, sa.ForeignKey(f"{table}.id"), nullable=nullable, index=index)


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _yes(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _when(name: str) -> sa.Column[datetime]:
    return sa.Column(name, _TIME, nullable=False)


def _move(connection: sa.Connection, submissions: list[Mapping[str, Any]], answers: list[Mapping[str, Any]]) -> None:
    study = _insert(
        connection, "study", code=survey.CODE, version=1, title=survey.TITLE, protocol=survey.PROTOCOL,
        sha256=survey.SHA256, parent="", locked_at=_stored(connection, datetime.now(UTC)),
    )  # fmt: skip
    arm = _insert(connection, "arm", study_id=study, code=survey.ARM, kind=survey.ARM_KIND, title="")
    readers: dict[str, int] = {}
    cases: dict[str, int] = {}
    assignments: dict[tuple[int, int], int] = {}
    for s in submissions:
        if s["reader"] not in readers:
            readers[s["reader"]] = _insert(connection, "reader", study_id=study, code=s["reader"], stratum="")
        if s["case_code"] not in cases:
            cases[s["case_code"]] = _insert(
                connection, "study_case", study_id=study, code=s["case_code"], stratum="", truth=None, practice=False
            )
        pair = (readers[s["reader"]], cases[s["case_code"]])
        if pair not in assignments:
            assignments[pair] = _insert(
                connection, "assignment", study_id=study, reader_id=pair[0], arm_id=arm, case_id=pair[1],
                period=survey.PERIOD, position=1 + sum(r == pair[0] for r, _ in assignments), practice=False,
                seeded_wrong=False, placebo=False,
            )  # fmt: skip
        kept = {k: s[k] for k in s if k not in ("reader", "case_code")}
        _insert(
            connection, "submission", **kept, study_id=study, reader_id=pair[0], assignment_id=assignments[pair],
            slot=survey.slot(assignments[pair], s["instrument"], s["explanation_id"]), kind=survey.KIND,
            period=survey.PERIOD, stage=survey.STAGE, explainer="{}", active_s=None, idle_s=None, imported=False,
        )  # fmt: skip
    for a in answers:
        value = None if a["value"] is None else float(a["value"])
        connection.execute(
            sa.text("INSERT INTO answer (submission_id, item, position, state, value, text) "
                    "VALUES (:submission_id, :item, :position, :state, :value, :text)"),
            {**a, "value": value},
        )  # fmt: skip
    for table, before in (("submission", len(submissions)), ("answer", len(answers))):
        after = connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()
        if after != before:
            raise RuntimeError(f"{before} rows of {table} became {after}; the store is left as it was.")
    if connection.dialect.name == "postgresql" and submissions:
        connection.execute(sa.text("SELECT setval('submission_id_seq', (SELECT max(id) FROM submission))"))


def _insert(connection: sa.Connection, table: str, **values: Any) -> int:
    names = ", ".join(values)
    marks = ", ".join(f":{n}" for n in values)
    made = connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id"), values)
    return int(made.scalar_one())


def _stored(connection: sa.Connection, time: datetime) -> datetime | str:
    """A time as this database keeps it; SQLite's driver writes a text without a zone."""
    return time if connection.dialect.name == "postgresql" else time.strftime("%Y-%m-%d %H:%M:%S.%f")


def _triggers(dialect: str) -> Iterator[str]:
    """The database itself refuses to change or delete what was acknowledged, whoever asks."""
    if dialect == "postgresql":
        yield (
            "CREATE FUNCTION mmxai_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
            "'the study store is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$"
        )
        for table in _TABLES:
            yield (
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION mmxai_append_only()"
            )
            yield (
                f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION mmxai_append_only()"
            )
        return
    abort = "BEGIN SELECT RAISE(ABORT, 'the study store is append-only'); END"
    for table in _TABLES:
        for verb in ("UPDATE", "DELETE"):
            yield f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} {abort}"
    # INSERT OR REPLACE deletes without firing a DELETE trigger.
    yield (
        "CREATE TRIGGER submission_no_replace BEFORE INSERT ON submission WHEN EXISTS (SELECT 1 FROM submission WHERE "
        f"id = NEW.id OR token = NEW.token OR (slot = NEW.slot AND iteration = NEW.iteration)) {abort}"
    )
    yield (
        "CREATE TRIGGER answer_no_replace BEFORE INSERT ON answer WHEN EXISTS (SELECT 1 FROM answer WHERE "
        f"submission_id = NEW.submission_id AND item = NEW.item) {abort}"
    )
