"""Tables that are left out of the stream, as `status` shows them."""
import random
import threading

import psycopg

from .waiting import wait_until

TABLE = """CREATE TABLE {0} (id int PRIMARY KEY, v text, n int NOT NULL DEFAULT 5, touched int NOT NULL DEFAULT 0);
INSERT INTO {0} SELECT i, 'v' || i, i FROM generate_series(1, 300) i;"""


class Writer(threading.Thread):
    """Writes to the tables until it is stopped, whatever becomes of them."""

    def __init__(self, source, *tables):
        super().__init__(daemon=True)
        self.dsn, self.tables = source.conninfo("postgres"), tables
        self.stopping, self.rng, self.next_id = threading.Event(), random.Random(3), 100000
        self.rows = dict.fromkeys(tables, 0)

    def one(self, c, table):
        self.next_id += 1
        with c.transaction():
            c.execute(f"INSERT INTO {table} (id) VALUES (%s)", (self.next_id,))
            c.execute(f"UPDATE {table} SET touched = touched + 1 WHERE id = %s", (self.rng.randint(1, 300),))
            if self.rng.random() < 0.3:
                c.execute(f"DELETE FROM {table} WHERE id = %s", (self.rng.randint(100000, self.next_id),))
        self.rows[table] += 1

    def run(self):
        with psycopg.connect(self.dsn, autocommit=True) as c:
            while not self.stopping.wait(0.004):
                try:
                    self.one(c, self.rng.choice(self.tables))
                except psycopg.errors.Error:
                    pass  # dropped, renamed, without identity

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()


def table_of(task, name):
    return {t["table"]: t for t in task.status()["tables"]}.get(f"public.{name}")


def suspended(task, *names):
    """The tables as status shows them, once all of them are suspended and it is known what is to be done."""
    def all_there():
        task.must_live()
        found = [table_of(task, name) for name in names]
        return all(t and t["message"].startswith("suspended") for t in found) and found
    return wait_until(all_there, 60, f"{names} are suspended", 0.1, dump=task.describe)


def statement_for(task, name, timeout=60):
    return wait_until(lambda: task.must_live() and (table_of(task, name) or {}).get("statement"), timeout,
                      f"a statement for {name}", 0.1, dump=task.describe)


def none_suspended(task, timeout=90):
    def none():
        task.must_live()
        return not [t["table"] for t in task.status()["tables"] if t["message"] or t["state"] != "Table completed"]
    wait_until(none, timeout, "no table is suspended", 0.1, dump=task.describe)


def goes_on(task, source, target, table="other"):
    """What is written to another table now arrives."""
    want = source.value(f"SELECT max(id) FROM {table}")
    wait_until(lambda: task.must_live() and (target.value(f"SELECT max(id) FROM {table}") or 0) >= want, 30,
               f"{table} goes on", 0.1, dump=task.describe)
