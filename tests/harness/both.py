"""An application that writes both databases itself, one after the other, and races that are planted among its rows.

Each writer owns its keys and does every operation on both sides with the same values, the source first or the target
first as chance has it: nothing of that is a conflict, however far behind the stream is. A planted race is a row that
the two sides write differently; what must be recorded of it is known beforehand.
"""
import random
import threading
from datetime import datetime, timedelta, timezone

import psycopg

SCHEMA = """
CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, qty numeric, email text UNIQUE, changed timestamptz, big text);
CREATE TABLE "Other Things" (a int, "b c" text, v jsonb, n float8, changed timestamptz, PRIMARY KEY (a, "b c"));
INSERT INTO item SELECT i, 'seed ' || i, i, 'seed' || i, '2026-01-01 00:00+00', repeat('x', 3000)
FROM generate_series(1, 400) i;
"""
UPSERT = ("INSERT INTO item (id, name, qty, email, changed) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (id) DO UPDATE"
          " SET (name, qty, email, changed) = (EXCLUDED.name, EXCLUDED.qty, EXCLUDED.email, EXCLUDED.changed)")
UPDATE = "UPDATE item SET name = %s, qty = %s, changed = %s WHERE id = %s"
OTHER = ('INSERT INTO "Other Things" VALUES (%s, %s, %s, %s, %s) ON CONFLICT (a, "b c") DO UPDATE'
         " SET (v, n, changed) = (EXCLUDED.v, EXCLUDED.n, EXCLUDED.changed)")
EPOCH = datetime(2026, 6, 1, tzinfo=timezone.utc)


class BothWriter(threading.Thread):
    def __init__(self, source, target, number, seed):
        super().__init__(daemon=True)
        self.sides = [psycopg.connect(db.dsn, autocommit=True) for db in (source, target)]
        self.rng = random.Random(seed * 1000 + number)
        self.first = 10000 * (number + 1)
        self.there, self.deleted = set(), set()
        self.done, self.end, self.failure = 0, threading.Event(), None

    def both(self, statement, params):
        sides = self.sides if self.rng.random() < 0.6 else self.sides[::-1]
        for side in sides:
            try:
                side.execute(statement, params)
            except psycopg.errors.UniqueViolation:  # by the stream, in the same moment; it has committed
                side.execute(statement, params)

    def one(self):
        key = self.first + self.rng.randrange(300)
        stamp = EPOCH + timedelta(seconds=self.done)
        value = f"{self.rng.random()}"
        what = self.rng.random()
        if what < 0.15:
            self.both(OTHER, (self.first, f"k{self.rng.randrange(50)}", '{"a": [1, null]}', self.rng.random(), stamp))
        elif key not in self.there:
            self.both(UPSERT, (key, value, self.rng.randrange(1000), f"{key}@{value}", stamp))
            self.there.add(key)
        elif what < 0.3:
            self.both("DELETE FROM item WHERE id = %s", (key,))
            self.there.discard(key)
            self.deleted.add(key)
        elif what < 0.4:  # moves to a key of its own
            new = key + 5000
            self.both("UPDATE item SET id = %s, changed = %s WHERE id = %s", (new, stamp, key))
            self.both("DELETE FROM item WHERE id = %s", (new,))
            self.there.discard(key)
            self.deleted |= {key, new}
        else:
            self.both(UPDATE, (value, self.rng.randrange(1000), stamp, key))
        self.done += 1

    def run(self):
        try:
            while not self.end.is_set():
                self.one()
        except Exception as e:  # told by stop()
            self.failure = e


class Both:
    """Several writers, and the planted races."""

    def __init__(self, source, target, writers=2, seed=1):
        self.source, self.target = source, target
        self.writers = [BothWriter(source, target, n, seed) for n in range(writers)]
        self.planted = {}  # key: (kind, true when the target's row is the later one)
        self.clashes = {}  # key of the source's row: (key of the target's row with the same email, true when that is later)
        self.next_key = 1000

    def start(self):
        for w in self.writers:
            w.start()
        return self

    def stop(self):
        for w in self.writers:
            w.end.set()
        for w in self.writers:
            if w.is_alive():
                w.join(60)
            if w.failure:
                raise w.failure
            for side in w.sides:
                side.close()

    @property
    def done(self):
        for w in self.writers:
            if w.failure:
                raise w.failure
        return sum(w.done for w in self.writers)

    @property
    def deleted(self):
        return set().union(*(w.deleted for w in self.writers))

    def plant_insert(self, target_later):
        """Both sides insert a row with this key, and not the same one."""
        self.next_key += 1
        key, early, late = self.next_key, EPOCH, EPOCH + timedelta(days=1)
        insert = "INSERT INTO item (id, name, qty, changed) VALUES (%s, %s, 1, %s)"
        self.target.sql(insert, (key, "of the target", late if target_later else early))
        self.source.sql(insert, (key, "of the source", early if target_later else late))
        self.planted[key] = ("insert-exists", target_later)
        return key

    def plant_clash(self, target_later):
        """Each side inserts a row of its own, with another key, but the same value in another unique column."""
        self.next_key += 2
        mine, theirs, early, late = self.next_key - 1, self.next_key, EPOCH, EPOCH + timedelta(days=1)
        insert = "INSERT INTO item (id, name, email, changed) VALUES (%s, %s, %s, %s)"
        self.target.sql(insert, (mine, "of the target", f"clash {theirs}", late if target_later else early))
        self.source.sql(insert, (theirs, "of the source", f"clash {theirs}", early if target_later else late))
        self.clashes[theirs] = (mine, target_later)

    def expected(self, policy):
        """What must be recorded, by the key under which it is: (kind, the target's row is kept)."""
        def keeps(later):
            return policy == "keep-target" or (policy.startswith("latest") and later)
        all_of_them = {key: (kind, keeps(later)) for key, (kind, later) in self.planted.items()}
        for theirs, (mine, later) in self.clashes.items():
            gives_way = policy != "error" and not keeps(later)
            all_of_them[mine if gives_way else theirs] = ("unique-clash", keeps(later))
        return all_of_them

    def plant_missing(self, key):
        """The target loses a row that the source changes."""
        self.target.sql("DELETE FROM item WHERE id = %s", (key,))
        self.source.sql("UPDATE item SET name = 'changed', big = 'new' WHERE id = %s", (key,))
        self.planted[key] = ("update-missing", False)
        return key

    def row(self, db, key):
        with db.connect() as c:
            return c.execute("SELECT name, qty, changed, big FROM item WHERE id = %s", (key,)).fetchone()
