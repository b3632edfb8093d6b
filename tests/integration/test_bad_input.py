"""Bad input: one clear error with its code and the remedy, the documented exit code, and nothing changed."""
import os
import socket

import pytest
from harness import place, tls, workload
from harness.daemon import limit_file_size
from harness.flow import assert_error, caught_up_and_equal, finish
from harness.server import SCRAM_PASSWORD
from harness.waiting import wait_until
from harness.witness import Untouched


@pytest.fixture
def small(source):
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 10) i")
    return source


def refused(task, slug, code, *databases, args=("--until", "caught-up")):
    """`run` ends at once with this error and has changed nothing."""
    with Untouched(*databases):
        done = task.run_to_end(*args, timeout=45)
        assert_error(done, slug, code)
    return done


def unused_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# Connections ------------------------------------------------------------------------------------
@pytest.mark.parametrize("side", ["source", "target"])
def test_wrong_port(small, target, make_task, side):
    task = make_task(**{side: {"dsn": f"host=127.0.0.1 port={unused_port()} dbname=x user=postgres sslmode=disable"}})
    done = refused(task, "connection-refused", 1, small, target)
    assert side in done.text, repr(done)
    checked = task.cmd("check")
    assert checked.code == 3 and f"cannot connect to the {side}" in checked.text, repr(checked)


def test_wrong_host(small, target, make_task):
    task = make_task(source={"dsn": "host=no-such-host.invalid dbname=x user=postgres sslmode=disable connect_timeout=5"})
    refused(task, "connection-refused", 1, small, target)


def test_missing_database(small, target, make_task):
    task = make_task(target={"dsn": target.cluster.conninfo("no_such_database")})
    with Untouched(small, target):
        done = task.run_to_end("--until", "caught-up", timeout=45)
        assert done.code == 2 and "no_such_database" in done.text and "hint" in done.text.lower(), repr(done)


@pytest.mark.parametrize("password", ["wrong", None])
def test_wrong_password(small, target, make_task, password):
    dsn = small.conninfo("scram_user", tcp=True, sslmode="disable")
    task = make_task(source={"dsn": dsn, "password": password} if password else {"dsn": dsn})
    done = refused(task, "authentication", 1, small, target)
    assert password is None or password not in done.text


def test_right_password_from_file_and_environment(small, target, make_task, directory):
    path = os.path.join(directory, "secret")
    with open(path, "w") as f:
        f.write(SCRAM_PASSWORD + "\n")
    os.chmod(path, 0o600)
    dsn = small.conninfo("scram_user", tcp=True, sslmode="disable")
    for password, env in ((f"${{file:{path}}}", {}), ("${SRC_PW}", {"SRC_PW": SCRAM_PASSWORD})):
        task = make_task(source={"dsn": dsn, "password": password})
        done = task.cmd("check", env=env)
        assert done.code in (0, 5), repr(done)
        assert SCRAM_PASSWORD not in done.text


def test_password_on_the_command_line_is_refused(small, target, make_task):
    dsn = small.conninfo("scram_user", tcp=True, password=SCRAM_PASSWORD)
    with Untouched(small, target):
        done = make_task().cmd("check", "--source-dsn", dsn)
    assert done.code == 2, repr(done)
    assert "usage" in done.text or "password" in done.text
    assert SCRAM_PASSWORD not in done.text


# TLS ----------------------------------------------------------------------------------------------
def tls_dsn(db, host="localhost", **more):
    return db.cluster.conninfo(db.name, "tls_user", tcp=True, **more).replace("127.0.0.1", host)


def test_verified_tls_works(small, target, make_task):
    """The counterpart of the tests below: with the right authority and name it connects."""
    task = make_task(source={"dsn": tls_dsn(small, sslrootcert=tls.good_ca(place.base()))})
    done = task.cmd("check")
    assert done.code in (0, 5), repr(done)


@pytest.mark.parametrize("case", ["other authority", "other host name", "no authority named"])
def test_tls_that_does_not_verify(small, target, make_task, case):
    """verify-full is the default: nothing was said about sslmode."""
    dsn = {"other authority": tls_dsn(small, sslrootcert=tls.other_ca(place.base())),
           "other host name": tls_dsn(small, "127.0.0.1", sslrootcert=tls.good_ca(place.base())),
           "no authority named": tls_dsn(small, sslrootcert="/nonexistent/root.crt")}[case]
    refused(make_task(source={"dsn": dsn}), "tls", 1, small, target)


# What the databases are --------------------------------------------------------------------------
@pytest.mark.parametrize("way", ["socket", "tcp"])
def test_source_is_target(small, make_task, way):
    """Recognised by what the servers say, not by how they were named."""
    dsn = small.dsn if way == "socket" else small.conninfo(tcp=True, sslmode="disable")
    refused(make_task(dst=dsn), "source-is-target", 3, small)


def test_missing_privilege(small, target, make_task):
    with small.cluster.connect() as c:
        c.execute("DROP ROLE IF EXISTS weak")
        c.execute("CREATE ROLE weak LOGIN REPLICATION")
    task = make_task(source={"dsn": small.conninfo("weak")})
    done = refused(task, "privilege", 3, small, target)
    checked = task.cmd("check")
    assert checked.code == 3, repr(checked)
    assert "GRANT" in checked.out, repr(checked)
    assert "public.t" in checked.out or "public.t" in done.text


def test_no_replication_privilege(small, target, make_task):
    with small.cluster.connect() as c:
        c.execute("DROP ROLE IF EXISTS reader")
        c.execute("CREATE ROLE reader LOGIN IN ROLE pg_read_all_data")
    task = make_task(source={"dsn": small.conninfo("reader")})
    refused(task, "privilege", 3, small, target)
    checked = task.cmd("check")
    assert checked.code == 3 and "REPLICATION" in checked.out, repr(checked)


def test_table_without_replica_identity(small, target, make_task):
    small.sql("CREATE TABLE bare (id int, v text); INSERT INTO bare VALUES (1, 'a')")
    task = make_task()
    done = refused(task, "replica-identity", 3, small, target)
    assert "public.bare" in done.text
    checked = task.cmd("check")
    assert checked.code == 3 and "REPLICA IDENTITY" in checked.out, repr(checked)


def test_plugin_refused_by_the_server(target, make_cluster, make_database, make_task):
    """output_plugin_libraries without wal2json."""
    cluster = make_cluster("strict", plugins="pgoutput, test_decoding")
    source = make_database(cluster)
    source.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    task = make_task(src=source, plugin="wal2json")
    refused(task, "plugin-refused", 3, source, target)
    checked = task.cmd("check")
    assert checked.code == 3 and "output_plugin_libraries" in checked.out and "wal2json" in checked.out
    # Left to itself bascule takes the other plugin and says why.
    auto = make_task(src=source).start().wait_streaming()
    assert auto.status()["plugin"] == "pgoutput"


def test_wal_level_of_the_source(target, make_cluster, make_database, make_task):
    source = make_database(make_cluster("replica", settings={"wal_level": "replica"}))
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    task = make_task(src=source)
    with Untouched(source, target):
        done = task.run_to_end("--until", "caught-up", timeout=45)
        assert done.code == 3 and "wal_level" in done.text, repr(done)
    checked = task.cmd("check")
    assert checked.code == 3 and "wal_level" in checked.out


# The target ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("columns", ["id int PRIMARY KEY", "id int PRIMARY KEY, v text, more int NOT NULL",
                                     "id int PRIMARY KEY, v varchar(3)", "id text PRIMARY KEY, v text"])
def test_target_table_with_other_columns(small, target, make_task, columns):
    target.sql(f"CREATE TABLE t ({columns})")
    done = refused(make_task(target={"prepare": "nothing"}), "schema-differs", 3, small, target)
    assert "public.t" in done.text


def test_table_missing_on_the_target(small, target, make_task):
    refused(make_task(target={"prepare": "nothing"}), "schema-differs", 3, small, target)


@pytest.mark.parametrize("prepare", ["create", "nothing"])
def test_target_that_is_not_empty(small, target, make_task, prepare):
    target.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'of somebody else')")
    done = refused(make_task(target={"prepare": prepare}), "target-not-empty", 3, small, target)
    assert "public.t" in done.text


# The command line and the configuration ------------------------------------------------------------
CONFIG = {
    "unknown key": ("tabels: { include: ['public.*'] }", ["tabels", "tables", ":1:1"]),
    "unknown key inside": ("task: x\nload:\n  job: 3\n", ["job", "jobs", ":3:3"]),
    "twice": ("task: a\ntask: b\n", ["task", ":2:1", "1"]),
    "wrong value": ("plugin: test_decoding\n", ["wal2json", "pgoutput", ":1:9"]),
    "wrong number": ("load: { jobs: many }\n", ["jobs", ":1:"]),
    "wrong duration": ("cutover: { max_downtime: 10 parsecs }\n", ["max_downtime", ":1:"]),
    "wrong task name": ("task: 'No Spaces'\n", ["task", ":1:7"]),
    "no YAML": ("task: [unclosed\n", [":"]),
    "not a mapping": ("- task\n", [":1:"]),
    "missing variable": ("source: { password: '${NO_SUCH_VARIABLE}' }\n", ["NO_SUCH_VARIABLE"]),
    "missing file": ("source: { password: '${file:/no/such/file}' }\n", ["/no/such/file"]),
}


@pytest.mark.parametrize("name", CONFIG)
def test_configuration_errors(small, target, make_task, name):
    text, said = CONFIG[name]
    task = make_task()
    task.write_text(text)
    with Untouched(small, target):
        done = task.cmd("check")
    assert done.code == 2, repr(done)
    assert "config" in done.err
    for word in said:
        assert word in done.err, f"'{word}' is not said\n{done!r}"


@pytest.mark.parametrize("args", [["chekc"], ["run", "--no-such-option"], ["run", "--until"], ["cutover", "--verify", "x"],
                                  []])
def test_usage_errors(small, make_task, args):
    done = make_task().cmd(*args)
    assert done.code == 2, repr(done)
    assert done.err.strip() and not done.out.strip(), repr(done)


def test_missing_configuration_file(small, make_task):
    task = make_task()
    os.unlink(task.file)
    done = task.cmd("check")
    assert done.code == 2 and task.file in done.err, repr(done)


# Two at once, and disks ------------------------------------------------------------------------------
def test_second_run_on_the_same_task(app, target, make_task):
    task = make_task().start().wait_streaming()
    again = task.cmd("run", timeout=45)
    assert_error(again, "already-running", 3)
    # Also from another directory, as from another machine: the target knows.
    other = make_task(task=task.task)
    assert_error(other.run_to_end(timeout=45), "already-running", 3)
    app.sql("UPDATE account SET v = v + 1")
    caught_up_and_equal(task, app, target)
    finish(task, app, target)


def spill_until_it_ends(task, source, target):
    """A large transaction while the target does not take it: what memory cannot hold goes to disk."""
    with target.connect() as blocker:
        blocker.execute("BEGIN")
        blocker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        source.sql("INSERT INTO t SELECT i, repeat('v', 300) FROM generate_series(1, 200000) i")
        assert task.wait_exit(60) == 1, task.tail()
        blocker.execute("ROLLBACK")
    assert "disk-full" in task.tail(), task.tail()
    assert target.value("SELECT count(*) FROM t") == 0


def test_disk_full_for_spill_files(source, target, make_task):
    """The engine stops with the error; nothing is applied by halves; with space it goes on and is equal."""
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    task = make_task(stream={"memory": "8MB"})
    task.start(preexec=limit_file_size(1 << 20)).wait_streaming()
    spill_until_it_ends(task, source, target)
    task.start().wait_streaming()
    finish(task, source, target)


def test_spill_limit(source, target, make_task):
    """At the limit bascule stops reading: the source keeps the rest, nothing fails."""
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    task = make_task(stream={"memory": "8MB", "spill_limit": "16MB", "status_interval": "1s"}).start().wait_streaming()
    with target.connect() as blocker:
        blocker.execute("BEGIN")
        blocker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        source.sql("INSERT INTO t SELECT i, repeat('v', 300) FROM generate_series(1, 200000) i")
        wait_until(lambda: (task.status()["stream"]["spilled_bytes"] or 0) > 8_000_000, 40, "it spills", dump=task.describe)
        # It goes on telling the source that it is there, and no more than the limit is on disk.
        told = source.value("SELECT max(reply_time) FROM pg_stat_replication WHERE application_name LIKE 'bascule%%'")
        wait_until(lambda: source.value("SELECT max(reply_time) > %s FROM pg_stat_replication WHERE application_name"
                                        " LIKE 'bascule%%'", (told,)), 15, "status updates go on")
        assert task.status()["stream"]["spilled_bytes"] <= 16 << 20
        task.must_live()
        blocker.execute("ROLLBACK")
    finish(task, source, target)


def test_work_directory_that_cannot_be_written(small, target, make_task):
    task = make_task(work_dir="/proc/no-such-directory")
    with Untouched(small, target):
        done = task.run_to_end("--until", "caught-up", timeout=45)
    assert done.code in (1, 2) and "/proc/no-such-directory" in done.text, repr(done)


def test_slot_lost_is_said_and_never_silently_recreated(target, make_cluster, make_database, make_task):
    cluster = make_cluster("short", settings={"max_slot_wal_keep_size": "'16MB'", "min_wal_size": "'32MB'",
                                              "max_wal_size": "'64MB'"})
    source = make_database(cluster)
    workload.create(source)
    task = make_task(src=source).start().wait_streaming()
    task.stop()
    source.sql("CREATE TABLE filler (v text)")
    for _ in range(8):
        source.sql("INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
        source.sql("SELECT pg_switch_wal(); CHECKPOINT")
    assert source.value("SELECT wal_status FROM pg_replication_slots") == "lost", "the slot should be lost"
    done = task.run_to_end(timeout=45)
    assert_error(done, "slot-lost", 1)
    assert len(source.slots()) == 1
