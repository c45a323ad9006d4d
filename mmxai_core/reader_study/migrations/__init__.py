"""Alembic migrations of the study store; run by `mmxai_core.reader_study.migrate`."""
