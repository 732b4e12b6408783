"""Alembic's entry: runs the steps on the connection that `migrate.upgrade` hands over, inside its transaction."""

from alembic import context

from nightlight.adapters.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
