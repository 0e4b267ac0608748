"""Run by Alembic, within the transaction that store.registry.database opened."""

from alembic import context

from store.registry.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
context.run_migrations()
