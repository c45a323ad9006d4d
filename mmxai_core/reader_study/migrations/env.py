"""Runs the migrations on the connection that `migrate` hands over, inside its transaction."""

from alembic import context

from mmxai_core.reader_study.schema import VERSION_TABLE, Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,  # a PostgreSQL database may hold other programs' tables
)
# The transaction is the caller's: all migrations or none, and its end is where the store is fsynced.
context.run_migrations()
