"""tests/store.py: a look into the store of a test's server, whichever kind it is: what no call shows or sets."""
import sqlite3


def is_postgresql(server):
    return (server.store or "sqlite") != "sqlite"


class Store:
    """A connection; statements take their values for `?`. As a context manager it commits, and closes."""

    def __init__(self, server):
        self.is_sqlite = not is_postgresql(server)
        if self.is_sqlite:
            self.db = sqlite3.connect(f"{server.data}/keyturn.db", timeout=30)
        else:
            import psycopg2
            self.db = psycopg2.connect(server.store)

    def execute(self, text, values=()):
        cursor = self.db.cursor()
        if self.is_sqlite:
            cursor.execute(text, values)
        else:
            cursor.execute(text.replace("%", "%%").replace("?", "%s"), tuple(values))
        return cursor

    def commit(self):
        self.db.commit()

    def close(self):
        self.db.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.db.commit()
        self.db.close()

    def columns(self):
        """{table: [column, ...]}"""
        if self.is_sqlite:
            names = [name for (name,) in self.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
            return {name: [row[1] for row in self.execute(f"PRAGMA table_info(\"{name}\")")] for name in names}
        found = {}
        for table, column in self.execute("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position"):
            found.setdefault(table, []).append(column)
        return found


def rows_of(server, text, values=()):
    with Store(server) as store:
        return [tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row) for row in store.execute(text, values).fetchall()]


def stored_bytes(server):
    """Everything that the store holds: SQLite's files, or every cell of every table."""
    if not is_postgresql(server):
        return b"".join(open(f"{server.data}/{name}", "rb").read() for name in ("keyturn.db", "keyturn.db-wal"))
    found = []
    with Store(server) as store:
        for table in store.columns():
            for row in store.execute(f"SELECT * FROM {table}").fetchall():
                found += [bytes(cell) if isinstance(cell, memoryview) else str(cell).encode() for cell in row]
    return b"\n".join(found)
