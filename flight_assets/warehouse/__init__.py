"""The warehouse: connection, migrations, retention."""
