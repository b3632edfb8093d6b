"""One application that never stops writing: `python3 -m harness.writer SPEC.json`, started by writers.py."""
import ctypes
import importlib
import json
import random
import signal
import sys
import time
from pathlib import Path

import psycopg
from psycopg import errors

# Rolled back by the server, nothing was committed: try something else.
REFUSED = (errors.DeadlockDetected, errors.SerializationFailure, errors.LockNotAvailable, errors.UniqueViolation,
           errors.ForeignKeyViolation, errors.CheckViolation, errors.QueryCanceled)


class Writer:
    """One process's loop. The ledger is a text file: `B id` before a commit, `A id time side` after it,
    `M time` when the source said that it has moved."""

    def __init__(self, spec):
        self.spec, self.number = spec, spec["number"]
        self.rng = random.Random(spec["seed"])
        self.sides = [spec["source"], spec["target"]]
        self.side, self.n = 0, 0
        self.accounts = spec.get("accounts", 500)
        module = importlib.import_module(spec.get("module", "harness.workload"))
        self.operations = module.SETS[spec["set"]]
        self.ledger = open(spec["ledger"], "a", buffering=1)
        self.conn = None
        self.kept = {}  # by side, when the application keeps its connections to both
        self.stopping = False

    # for operations
    def sql(self, text, *params):
        return self.conn.execute(text, params)

    def word(self):
        return "".join(self.rng.choice("abcxyz äß日\\'\"\t%") for _ in range(self.rng.randint(0, 12)))

    def tag(self):
        return f"{self.number}-{self.n}-{self.rng.randint(0, 1 << 30)}"

    # the loop
    def stop(self, *_):
        self.stopping = True

    def connect(self):
        kept = self.kept.pop(self.side, None)
        if kept is not None and not kept.closed:
            self.conn = kept
            return
        while not self.stopping:
            try:
                self.conn = psycopg.connect(self.sides[self.side], autocommit=True, connect_timeout=5)
                return
            except psycopg.OperationalError:
                self.pause(0.02)

    def pause(self, seconds):
        signal.sigtimedwait([signal.SIGUSR2], seconds)

    def moved(self):
        """Refused with 'read only': the other side has taken over, or will in a moment."""
        self.ledger.write(f"M {time.monotonic():.6f}\n")
        if self.spec["after"] == "stop":
            self.stopping = True
            return
        if self.spec.get("keep"):
            self.kept[self.side] = self.conn
        else:
            self.conn.close()
        self.side = 1 - self.side
        self.pause(self.spec.get("again_after", 0.005))
        self.connect()

    def transaction(self, name, run):
        """One transaction with its ledger row; True when it was acknowledged. What is not acknowledged may or may not
        be there."""
        ident = f"{self.number}/{self.spec['seed']}/{self.n}"
        committing = False
        try:
            self.conn.execute("BEGIN")
            run()
            self.sql("INSERT INTO ledger (id, writer, kind) VALUES (%s, %s, %s)", ident, self.number, name)
            self.ledger.write(f"B {ident}\n")
            committing = True
            self.conn.execute("COMMIT")
            self.ledger.write(f"A {ident} {time.monotonic():.6f} {self.side}\n")
            return True
        except errors.ReadOnlySqlTransaction:
            self.conn.execute("ROLLBACK")
            self.moved()
        except REFUSED:
            self.conn.execute("ROLLBACK")
            if committing:
                self.ledger.write(f"R {ident}\n")
        except psycopg.OperationalError:
            self.conn.close()
            self.connect()
        return False

    def probe(self):
        """After the move the tables stay as they were for the comparison; only the heartbeat goes on."""
        self.sql("INSERT INTO heartbeat VALUES (%s, %s, 'after')", self.number, self.n)

    def loop(self):
        self.connect()
        pace = 1 / self.spec["rate"] if self.spec.get("rate") else 0
        due = time.monotonic()
        while not self.stopping:
            self.n += 1
            if self.side == 1 and self.spec["after"] == "probe":
                self.heartbeat_after()
                self.pause(0.002)
                continue
            op = self.rng.choice(self.operations)
            done = self.transaction(op.__name__, lambda: op(self))
            if pace and done:  # a refused one is tried again at once; what was missed is not made up for
                due = max(due + pace, time.monotonic())
                self.pause(max(0, due - time.monotonic()))
        if self.conn is not None:
            self.conn.close()

    def heartbeat_after(self):
        try:
            self.probe()
            self.ledger.write(f"H {time.monotonic():.6f} {self.side}\n")
        except errors.ReadOnlySqlTransaction:
            self.moved()
        except psycopg.OperationalError:
            self.conn.close()
            self.connect()


def main(path):
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # do not outlive the test
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    writer = Writer(json.loads(Path(path).read_text()))
    signal.signal(signal.SIGTERM, writer.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    writer.loop()


if __name__ == "__main__":
    main(sys.argv[1])
