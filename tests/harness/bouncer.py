"""A real PgBouncer in transaction mode, and clients that write through it without a pause and count every failure."""
import contextlib
import json
import os
import subprocess
import threading

import psycopg

from . import oracle, place
from .waiting import wait_until

INI = """[databases]
app = host={host} port={port} dbname={database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = trust
auth_file = {dir}/users.txt
admin_users = operator
pool_mode = transaction
default_pool_size = 8
max_client_conn = 100
logfile = {dir}/bouncer.log
pidfile = {dir}/bouncer.pid
"""

# What an operator would write: one script for all points, told by its environment what to do.
SCRIPT = """#!/bin/sh
set -e
admin() {{ psql -X -q -v ON_ERROR_STOP=1 "host=127.0.0.1 port={listen} user=operator dbname=pgbouncer" -c "$1" >>{dir}/hook.log 2>&1; }}
case $CUTOVER_POINT in
before-freeze) admin "PAUSE app" ;;
after-open)
    sed "s|^app = .*|app = host=$CUTOVER_TO_HOST port=$CUTOVER_TO_PORT dbname=$CUTOVER_TO_DATABASE|" {dir}/bouncer.ini >{dir}/new.ini
    cat {dir}/new.ini >{dir}/bouncer.ini
    admin RELOAD
    admin "RESUME app" ;;
end) admin "RESUME app" || true ;;
esac
echo "$CUTOVER_MODE $CUTOVER_POINT epoch=$CUTOVER_EPOCH frozen=$CUTOVER_FROZEN_MS outcome=$CUTOVER_OUTCOME" >>{dir}/points.log
"""


class Bouncer:
    def __init__(self, db):
        self.dir = place.server_dir(os.path.join(place.base(), f"bouncer{place.free_port()}"), 0o755)
        self.port = place.free_port()
        self.script = os.path.join(self.dir, "switch.sh")
        names = dict(dir=self.dir, listen=self.port, host=db.cluster.dir, port=db.cluster.port, database=db.name)
        for name, text in (("bouncer.ini", INI), ("users.txt", '"app" ""\n"operator" ""\n'), ("switch.sh", SCRIPT)):
            path = os.path.join(self.dir, name)
            with open(path, "w") as f:
                f.write(text if name == "users.txt" else text.format(**names))
            place.give_to_server_user(path)
        os.chmod(self.script, 0o755)
        self.process = subprocess.Popen(place.as_server_user() + ["pgbouncer", os.path.join(self.dir, "bouncer.ini")],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.conninfo = f"host=127.0.0.1 port={self.port} user=app dbname=app"
        wait_until(self.answers, 20, "pgbouncer answers", dump=lambda: self.read("bouncer.log"))

    def answers(self):
        try:
            psycopg.connect(self.conninfo, connect_timeout=3).close()
            return True
        except psycopg.Error:
            return False

    def hooks(self):
        return [f"{point} 20s abort {self.script}" for point in ("before-freeze", "after-open", "end")]

    def line(self, databases="app"):
        """The same as an item of traffic.pgbouncer: bascule does it all."""
        return f"host=127.0.0.1 port={self.port} user=operator databases={databases} file={self.dir}/bouncer.ini"

    def entry(self):
        """The row of SHOW DATABASES."""
        admin = psycopg.connect(f"host=127.0.0.1 port={self.port} user=operator dbname=pgbouncer", autocommit=True,
                                cursor_factory=psycopg.ClientCursor, row_factory=psycopg.rows.dict_row)
        with contextlib.closing(admin):
            return next(r for r in admin.execute("SHOW DATABASES") if r["name"] == "app")

    def is_paused(self):
        return int(self.entry()["paused"]) != 0

    def read(self, name):
        path = os.path.join(self.dir, name)
        if not os.path.exists(path):
            return ""
        with open(path) as f:
            return f.read()

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Clients:
    """Threads that insert into `ledger` through the pooler; what is acknowledged and what fails is kept."""

    def __init__(self, conninfo, count=4, prefix="client"):
        self.conninfo, self.prefix, self.acknowledged, self.failures = conninfo, prefix, [], []
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.loop, args=(n,)) for n in range(count)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for t in self.threads:
            t.join()

    def loop(self, number):
        n = 0
        # the pooler hands server connections from client to client: no prepared statements
        with psycopg.connect(self.conninfo, autocommit=True, prepare_threshold=None) as c:
            while not self.ending.is_set():
                n += 1
                ident = f"{self.prefix} {number}/{n}"
                try:
                    with c.transaction():
                        c.execute("INSERT INTO ledger (id, writer, kind) VALUES (%s, %s, 'pooled')", (ident, number))
                        c.execute("UPDATE account SET v = v + 1 WHERE id = %s", (1 + n % 100,))
                    self.acknowledged.append(ident)
                except psycopg.Error as e:
                    self.failures.append(f"{ident}: {e!r}")
                    return

    def wait_more(self, commits):
        goal = len(self.acknowledged) + commits
        wait_until(lambda: self.failures or len(self.acknowledged) >= goal, 60, f"{commits} more commits")


def switch_rounds(task, clients, rounds, commits=50, dump=lambda: ""):
    """Cutover and rollback, one command each, while the clients go on. Returns the reports."""
    reports = []
    for _ in range(rounds):
        for command, ready in ((task.cutover, task.wait_ready), (task.rollback, task.wait_back)):
            clients.wait_more(commits)
            ready()
            done = command("--json", "--max-lag", "30s", "--cutover-max-lag-size", "256MB", "--max-downtime", "20s")
            assert done.code == 0, f"{done!r}\n{dump()}"
            reports.append(json.loads(done.out.splitlines()[-1])["report"])
    clients.wait_more(commits)
    return reports


def assert_nothing_failed(task, clients, source, target):
    """On the source again: no transaction failed, none is lost, none is there twice."""
    assert clients.failures == [], clients.failures
    task.wait_streaming()
    task.wait_applied(source)
    for side in (source, target):
        there = [r[0] for r in side.sql("SELECT id FROM ledger WHERE kind = 'pooled'")]
        assert sorted(there) == sorted(clients.acknowledged), "lost or twice"
    oracle.assert_equal(source, target, schema=False, sequences=False)
