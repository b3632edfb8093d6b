"""A folder of numbered SQL scripts, and what the target says of it."""
import os


class Folder:
    def __init__(self, path):
        self.path = str(path)
        os.makedirs(self.path, exist_ok=True)

    def put(self, name, text):
        with open(os.path.join(self.path, name), "w", newline="") as f:
            f.write(text)
        return self

    def remove(self, name):
        os.unlink(os.path.join(self.path, name))
        return self

    def accounts(self):
        """Three steps that build on each other."""
        self.put("001_accounts.sql", "CREATE TABLE accounts (id int PRIMARY KEY, name text);\n")
        self.put("002_orders.sql", "CREATE TABLE orders (id int PRIMARY KEY,\n  account int REFERENCES accounts);\n"
                                   "INSERT INTO accounts VALUES (1, 'a;b'); -- and;\n")
        self.put("003_index.sql", "CREATE INDEX orders_account ON orders (account);\n")
        return self


def state(task, expect=None):
    done = task.cmd("schema", "status", "--json")
    assert done.code in (0, 3, 5), repr(done)
    report = done.json()
    if expect is not None:
        assert report["state"] == expect, repr(done)
    return report


def applied(db):
    """Names in the history, with success, in the order of application."""
    if not db.value("SELECT to_regclass('bascule.schema_history') IS NOT NULL"):
        return []
    return [(r[0], r[1]) for r in db.sql("SELECT name, success FROM bascule.schema_history ORDER BY applied_at")]
