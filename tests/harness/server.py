"""PostgreSQL clusters and databases for tests: throwaway, of any major version, owned by one test or shared by a
worker. A cluster listens on a unix socket and on 127.0.0.1 with TLS.

Roles of every cluster: postgres (superuser), app (owns the application's tables; what writers use),
scram_user (password 's3cret-scram' over TCP), tls_user (TCP with TLS only).
"""
import glob
import os
import shutil
import subprocess
import tempfile

import psycopg

from . import place, tls
from .waiting import wait_until

SCRAM_PASSWORD = "s3cret-scram"

SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "wal_level": "logical",
    "max_wal_senders": "12",
    "max_replication_slots": "12",
    "max_connections": "80",
    "max_prepared_transactions": "5",
    "shared_buffers": "'128MB'",
    "max_wal_size": "'2GB'",
    "fsync": "off",
    "full_page_writes": "off",
    "log_line_prefix": "'%m [%p] %a %q%u@%d '",
    "log_lock_waits": "on",
    "deadlock_timeout": "'1s'",
    "logging_collector": "off",
    "unix_socket_permissions": "'0777'",
    "timezone": "'UTC'",
}

HBA = """\
local   all          all                       trust
local   replication  all                       trust
host    all          scram_user  127.0.0.1/32  scram-sha-256
hostssl all          tls_user    127.0.0.1/32  trust
host    all          tls_user    127.0.0.1/32  reject
host    all          all         127.0.0.1/32  trust
host    replication  all         127.0.0.1/32  trust
"""

_templates = {}


def _run(argv, **kw):
    done = subprocess.run(place.as_server_user() + argv, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, cwd="/", **kw)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _template(bindir):
    """A data directory made once by initdb and copied for each cluster."""
    if bindir not in _templates:
        parent = place.server_dir(tempfile.mkdtemp(prefix="tpl-", dir=place.base()), 0o700)
        data = os.path.join(parent, "pg")
        _run([f"{bindir}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8",
              "--locale=C.UTF-8"])
        _templates[bindir] = data
    return _templates[bindir]


def knows_setting(bindir, name):
    """Whether this server has the setting: naming an unknown one would keep it from starting."""
    done = subprocess.run(place.as_server_user() + [f"{bindir}/postgres", "-C", name, "-D", _template(bindir)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/")
    return done.returncode == 0


class Cluster:
    def __init__(self, name, bindir=None, settings=None, plugins="pgoutput, test_decoding, wal2json"):
        self.name = name
        self.bindir = bindir or place.debian_bin()
        self.port = place.free_port()
        self.dir = place.server_dir(tempfile.mkdtemp(prefix=f"{name[:8]}-", dir=place.base()), 0o755)
        self.data = os.path.join(self.dir, "pg")
        self.log = os.path.join(self.dir, "server.log")
        self.running = False
        _run(["cp", "-a", "--reflink=auto", _template(self.bindir), self.data])
        conf = dict(SETTINGS)
        conf["port"] = str(self.port)
        conf["unix_socket_directories"] = f"'{self.dir}'"
        if plugins and knows_setting(self.bindir, "output_plugin_libraries"):
            conf["output_plugin_libraries"] = f"'{plugins}'"
        cert, key = tls.server_certificate(place.base())
        for src, dst in ((cert, "server.crt"), (key, "server.key")):
            path = os.path.join(self.data, dst)
            shutil.copyfile(src, path)
            place.give_to_server_user(path)
            os.chmod(path, 0o600)
        conf["ssl"] = "on"
        conf.update(settings or {})
        with open(os.path.join(self.data, "postgresql.conf"), "a") as f:
            f.writelines(f"{k} = {v}\n" for k, v in conf.items())
        with open(os.path.join(self.data, "pg_hba.conf"), "w") as f:
            f.write(HBA)

    # life ---------------------------------------------------------------------------------------
    def start(self):
        _run([f"{self.bindir}/pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", "60", "-s", "start"])
        self.running = True
        return self

    def stop(self, mode="fast"):
        if self.running:
            _run([f"{self.bindir}/pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", "60", "-s", "stop"])
            self.running = False

    def crash(self):
        """As after a power cut of the process: no shutdown checkpoint; recovery on the next start."""
        self.stop("immediate")

    def kill9(self):
        """SIGKILL to all of its processes at once."""
        with open(os.path.join(self.data, "postmaster.pid")) as f:
            postmaster = int(f.readline())
        place.signal_to(postmaster, "STOP")  # it starts no other while they are counted
        wait_until(lambda: place.state_of(postmaster) == "T", 30, "the postmaster stands still")
        killed = [*place.children(postmaster), postmaster]
        for pid in killed:
            place.signal_to(pid, "KILL")
        wait_until(lambda: not any(place.lives(pid) for pid in killed), 30, "the server is dead")
        # Nobody may have waited for the process yet, and its number in these files then counts as a living one.
        for path in (os.path.join(self.data, "postmaster.pid"), *glob.glob(os.path.join(self.dir, ".s.PGSQL.*"))):
            os.unlink(path)
        self.running = False

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def destroy(self):
        try:
            self.stop("immediate")
        finally:
            if not os.environ.get("BASCULE_TEST_KEEP"):
                shutil.rmtree(self.dir, ignore_errors=True)

    def prepare_roles(self):
        with self.connect() as c:
            c.execute("CREATE ROLE app LOGIN")
            c.execute(f"CREATE ROLE scram_user LOGIN SUPERUSER PASSWORD '{SCRAM_PASSWORD}'")
            c.execute("CREATE ROLE tls_user LOGIN SUPERUSER")
        return self

    # ways in ------------------------------------------------------------------------------------
    def conninfo(self, db="postgres", user="postgres", tcp=False, **more):
        host = "127.0.0.1" if tcp else self.dir
        pairs = {"host": host, "port": self.port, "dbname": db, "user": user, **more}
        return psycopg.conninfo.make_conninfo(**pairs)

    def connect(self, db="postgres", user="postgres", **kw):
        return psycopg.connect(self.conninfo(db, user), autocommit=True, **kw)

    def create_database(self, name, owner="app", encoding="UTF8"):
        with self.connect() as c:
            c.execute(f'CREATE DATABASE "{name}" OWNER "{owner}" TEMPLATE template0 ENCODING \'{encoding}\''
                      + (" LOCALE 'C'" if encoding != "UTF8" else ""))
        return Database(self, name)

    def drop_database(self, name):
        with self.connect() as c:
            c.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                      " AND pid <> pg_backend_pid()", (name,))
            for gid, in c.execute("SELECT gid FROM pg_prepared_xacts WHERE database = %s", (name,)):
                with self.connect(name) as d:
                    d.execute(f"ROLLBACK PREPARED '{gid}'")
            for slot, in c.execute("SELECT slot_name FROM pg_replication_slots WHERE database = %s", (name,)):
                self._drop_slot(c, slot)
            c.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @staticmethod
    def _drop_slot(c, slot):
        from .waiting import wait_until

        def gone():
            c.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                      " WHERE slot_name = %s AND active", (slot,))
            try:
                c.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                          " WHERE slot_name = %s", (slot,))
                return True
            except psycopg.Error:
                return False
        wait_until(gone, 10, f"slot {slot} dropped")


class Database:
    """One database of a cluster."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name

    def __repr__(self):
        return f"{self.cluster.name}/{self.name}"

    @property
    def dsn(self):
        return self.cluster.conninfo(self.name)

    def conninfo(self, user="postgres", **kw):
        return self.cluster.conninfo(self.name, user, **kw)

    def connect(self, user="postgres", **kw):
        return self.cluster.connect(self.name, user, **kw)

    def sql(self, text, params=None, user="postgres"):
        """Runs the statements (several without parameters) and returns the rows of the last one, if any."""
        with self.connect(user) as c:
            cur = c.execute(text, params)
            while cur.nextset():
                pass
            return cur.fetchall() if cur.description else []

    def value(self, text, params=None):
        rows = self.sql(text, params)
        return rows[0][0] if rows else None

    def slots(self):
        return [r[0] for r in self.sql("SELECT slot_name FROM pg_replication_slots WHERE database = %s",
                                       (self.name,))]

    def has_schema(self, name="bascule"):
        return self.value("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)", (name,))
