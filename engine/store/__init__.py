"""The job database: the only import of sqlite3."""
