"""`bascule check`: every planted problem is named, with a remedy that mends it; what is well raises nothing."""
import os
import re
import shutil
import socket
import subprocess

import psycopg
import pytest
from harness import place
from harness.waiting import wait_until

CLEAN = """
CREATE TABLE clinic (id int PRIMARY KEY, name text NOT NULL, parent int REFERENCES clinic);
CREATE TABLE visit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, clinic int NOT NULL REFERENCES clinic,
                    at timestamptz NOT NULL DEFAULT now(), note text);
CREATE TABLE "Odd ""Name"" é" ("Id" int PRIMARY KEY, v jsonb);
CREATE TABLE keyed (a int NOT NULL, b text);
CREATE UNIQUE INDEX keyed_a ON keyed (a);
ALTER TABLE keyed REPLICA IDENTITY USING INDEX keyed_a;
CREATE TABLE part (id int, d date, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2020-01-01') TO ('2030-01-01');
CREATE TABLE emptycols (); ALTER TABLE emptycols REPLICA IDENTITY FULL;
CREATE SEQUENCE standalone;
CREATE VIEW seen AS SELECT id FROM visit;
INSERT INTO clinic VALUES (1, 'one', NULL);
INSERT INTO visit (clinic, note) SELECT 1, 'x' FROM generate_series(1, 1000);
ANALYZE;
"""


def check(task, *args, **kw):
    done = task.cmd("check", "--json", *args, **kw)
    report = done.json()
    assert report["exit"] == done.code, repr(done)
    for kind, key in (("ok", "ok"), ("warning", "warnings"), ("blocker", "blockers"), ("unknown", "unknowns")):
        assert report[key] == sum(f["result"] == kind for f in report["findings"])
    for f in report["findings"]:
        assert f["code"] and f["subject"] and f["what"], f
        if f["result"] in ("blocker", "warning"):
            assert f["why"] and f["remedy"], f
    return report


def found(report, code, text="", result=None):
    """The findings of this code that say `text`, anywhere."""
    return [f for f in report["findings"] if f["code"] == code and text in " ".join(f.values())
            and (result is None or f["result"] == result)]


def named(report, code, text="", result=None, remedy=""):
    hits = [f for f in found(report, code, text, result) if remedy in f["remedy"]]
    assert hits, f"{code} {text!r} {result} {remedy!r} is not among\n" + "\n".join(
        f"{f['result']:8}{f['code']:24}{f['subject']}: {f['what']} | {f['remedy']}" for f in report["findings"]
        if f["result"] != "ok")
    return hits[0]


def bad(report):
    return [(f["result"], f["code"], f["subject"], f["what"]) for f in report["findings"] if f["result"] != "ok"]


@pytest.fixture
def clean(source):
    source.sql(CLEAN)
    return source


# Nothing wrong ------------------------------------------------------------------------------------
def test_a_clean_pair_raises_nothing(clean, target, make_task):
    # CREATE TABLE with no columns has no key: FULL is right for it, and is warned about as slow
    clean.sql("DROP TABLE emptycols")
    report = check(make_task())
    assert bad(report) == [] and report["exit"] == 0
    assert report["plugin"] == "wal2json" and report["tables"] == 5 and report["bytes"] > 0
    assert clean.slots() == [] and not clean.has_schema() and not target.has_schema()


def test_text_report(clean, target, make_task):
    clean.sql("DROP TABLE emptycols; CREATE TABLE bare (v text)")
    done = make_task().cmd("check")
    assert done.code == 3, repr(done)
    assert "1 blocker" in done.out and "'bascule run' would refuse" in done.out
    lines = done.out.splitlines()
    assert lines[0].split() == ["RESULT", "SUBJECT", "FINDING"]
    assert any('fix  ALTER TABLE "public"."bare" REPLICA IDENTITY FULL;' in line for line in lines)
    assert max(map(len, lines)) <= 200 and "\033" not in done.out
    # the worst stands last
    results = [line.split()[0] for line in lines[1:-2] if not line.startswith(" ") and line.strip()]
    assert results == sorted(results, key=["ok", "unknown", "warning", "blocker"].index)


def test_an_ordinary_role_with_the_printed_grants_is_enough(clean, target, make_task):
    """Each remedy is run as printed until nothing is left: no finding without a way out."""
    clean.sql("DROP TABLE emptycols")
    for db in (clean, target):
        db.sql("DROP ROLE IF EXISTS mover")
        db.sql("CREATE ROLE mover LOGIN")
        db.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC; REVOKE ALL ON DATABASE \"%s\" FROM mover" % db.name)
    task = make_task(source={"dsn": clean.conninfo("mover")}, target={"dsn": target.conninfo("mover")})
    try:
        report = check(task)
        assert report["exit"] == 3
        for _ in range(4):
            if not bad(report):
                break
            for f in report["findings"]:
                if f["result"] == "ok":
                    continue
                db = target if f["subject"] == "target" or "on the target" in f["remedy"] else clean
                for line in f["remedy"].splitlines():
                    if re.match(r"(GRANT|ALTER|CREATE) ", line):
                        db.sql(line)
            report = check(task)
        assert bad(report) == []
    finally:
        for db in (clean, target):
            db.sql("DROP OWNED BY mover CASCADE; DROP ROLE mover" if db.value(
                "SELECT count(*) FROM pg_roles WHERE rolname = 'mover'") else "SELECT 1")
            if db is clean:
                db.sql("SELECT 1")


# Twenty and more planted problems, all at once ------------------------------------------------------
PLANTED = """
CREATE EXTENSION hstore;
CREATE TABLE no_key (a int, b text);
CREATE TABLE deferred_key (id int PRIMARY KEY DEFERRABLE);
CREATE TABLE identity_nothing (id int PRIMARY KEY);
ALTER TABLE identity_nothing REPLICA IDENTITY NOTHING;
CREATE TABLE identity_dropped (id int NOT NULL, v text);
CREATE UNIQUE INDEX identity_dropped_i ON identity_dropped (id);
ALTER TABLE identity_dropped REPLICA IDENTITY USING INDEX identity_dropped_i;
DROP INDEX identity_dropped_i;
CREATE TABLE nullable_key (id int UNIQUE, v text);
CREATE TABLE candidate (id int NOT NULL UNIQUE, v text);
CREATE TABLE slow_full (a int, b text);
ALTER TABLE slow_full REPLICA IDENTITY FULL;
CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY);
CREATE TABLE money_of (id int PRIMARY KEY, amount numeric(10, 2), rate float8);
CREATE TABLE pointers (id int PRIMARY KEY, photo oid, kind regclass);
CREATE TABLE a (id int PRIMARY KEY, b int);
CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
ALTER TABLE a ADD CONSTRAINT a_b FOREIGN KEY (b) REFERENCES b;
CREATE TABLE unproved (id int PRIMARY KEY, a int);
ALTER TABLE unproved ADD CONSTRAINT unproved_a FOREIGN KEY (a) REFERENCES a NOT VALID;
CREATE TABLE left_out (id int PRIMARY KEY);
CREATE TABLE leads_out (id int PRIMARY KEY, o int REFERENCES left_out);
CREATE TABLE secret (id int PRIMARY KEY);
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE TABLE unreadable (id int PRIMARY KEY);
CREATE SEQUENCE unreadable_seq;
CREATE MATERIALIZED VIEW mat AS SELECT id FROM a;
SELECT lo_create(0);
"""


def test_twenty_planted_problems(make_cluster, make_database, make_task, request):
    strict = make_cluster("strict", plugins="pgoutput, test_decoding",
                          settings={"max_replication_slots": "2", "max_wal_senders": "1",
                                    "max_slot_wal_keep_size": "'64MB'", "wal_sender_timeout": "'2s'"})
    other = make_cluster("other")
    source, target = make_database(strict), make_database(other, encoding="LATIN1")
    source.sql(PLANTED)
    source.sql("CREATE ROLE weak LOGIN REPLICATION; GRANT SELECT ON ALL TABLES IN SCHEMA public TO weak;"
               " REVOKE ALL ON unreadable FROM weak")
    target.sql("CREATE ROLE writer LOGIN; GRANT CREATE ON DATABASE \"%s\" TO writer" % target.name)
    target.sql("""
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TABLE a (id int PRIMARY KEY, b int);
        CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
        ALTER TABLE a ADD CONSTRAINT a_b FOREIGN KEY (b) REFERENCES b;
        CREATE TABLE money_of (id int PRIMARY KEY, amount numeric(8, 2));
        CREATE TABLE secret (id int PRIMARY KEY, must int NOT NULL);
        CREATE TABLE fleeting (id int PRIMARY KEY);
        INSERT INTO fleeting VALUES (1);
        CREATE TABLE pointers (id int, photo oid, kind regclass);
        CREATE TRIGGER always BEFORE INSERT ON fleeting FOR EACH ROW EXECUTE FUNCTION f();
        ALTER TABLE fleeting ENABLE ALWAYS TRIGGER always;
        CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER watcher ON ddl_command_start EXECUTE FUNCTION e();
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO writer;
        GRANT INSERT, UPDATE, DELETE, TRUNCATE ON fleeting TO writer""")
    holder = source.connect()
    holder.execute("BEGIN; INSERT INTO candidate VALUES (1, 'x'); PREPARE TRANSACTION 'forgotten'")
    source.sql("SELECT pg_create_physical_replication_slot('other_use')")
    task = make_task(src=source, dst=target, source={"dsn": source.conninfo("weak")},
                     target={"dsn": target.conninfo("writer"), "prepare": "nothing"}, plugin="wal2json",
                     tables={"exclude": ["public.left_out"]})
    r = check(task)
    assert r["exit"] == 3
    planted = [
        ("replica-identity", "public.no_key", "blocker", 'ALTER TABLE "public"."no_key" REPLICA IDENTITY FULL'),
        ("replica-identity", "public.deferred_key", "blocker", "REPLICA IDENTITY FULL"),
        ("replica-identity", "public.identity_nothing", "blocker", "REPLICA IDENTITY DEFAULT"),
        ("replica-identity", "public.identity_dropped", "blocker", "REPLICA IDENTITY FULL"),
        ("replica-identity", "public.nullable_key", "blocker", "REPLICA IDENTITY FULL"),
        ("replica-identity", "public.candidate", "blocker", 'USING INDEX "candidate_id_key"'),
        ("replica-identity-full", "public.slow_full", "warning", "PRIMARY KEY"),
        ("unlogged", "public.fleeting", "warning", "SET LOGGED"),
        ("plugin-refused", "amount, rate", "blocker", "plugin: auto"),
        ("plugin-refused", "output_plugin_libraries", "blocker",
         "ALTER SYSTEM SET output_plugin_libraries = pgoutput, test_decoding, wal2json;"),
        ("type-oid", "photo", "warning", "tables.exclude"),
        ("type-reg", "kind", "warning", "target"),
        ("foreign-key-cycle", "public.a -> public.b -> public.a", "blocker",
         'GRANT SET ON PARAMETER session_replication_role TO "writer"'),
        ("foreign-key-not-valid", "unproved_a", "warning", 'VALIDATE CONSTRAINT "unproved_a"'),
        ("foreign-key-outside", "public.leads_out", "warning", "tables.include"),
        ("row-security", "public.secret", "blocker", 'ALTER ROLE "weak" BYPASSRLS'),
        ("privilege", "public.unreadable", "blocker", 'GRANT SELECT ON "public"."unreadable" TO "weak"'),
        ("privilege", "public.unreadable_seq", "warning", "GRANT SELECT ON SEQUENCE"),
        ("privilege", "may not create in the database", "warning", "GRANT CREATE ON DATABASE"),
        ("ownership", "postgres", "warning", 'ALTER TABLE "public"."a" OWNER TO "weak"'),
        ("large-objects", "1 large object", "warning", "pg_dump"),
        ("extension", "hstore", "warning", 'CREATE EXTENSION "hstore"'),
        ("encoding", "LATIN1", "warning", "ENCODING 'UTF8'"),
        ("replication-slots", "1 of 2", "warning", "max_replication_slots"),
        ("wal-senders", "0 of 1", "warning", "max_wal_senders"),
        ("slot-wal-limit", "64 MB", "warning", "max_slot_wal_keep_size = -1"),
        ("wal-sender-timeout", "2000 ms", "warning", "wal_sender_timeout"),
        ("prepared-transaction", "forgotten", "warning", "ROLLBACK PREPARED 'forgotten'"),
        ("schema-differs", "column 'rate' is missing", "blocker", 'ADD COLUMN "rate" double precision'),
        ("schema-differs", "numeric(10,2) on the source, numeric(8,2)", "blocker", "TYPE numeric(10,2)"),
        ("schema-differs", "column 'must' is only on the target", "blocker", "DROP NOT NULL"),
        ("schema-differs", "public.no_key", "blocker", "target.prepare: create"),
        ("schema-differs", "no unique index on its key", "warning", 'CREATE UNIQUE INDEX ON "public"."pointers"'),
        ("target-not-empty", "public.fleeting", "blocker", 'TRUNCATE "public"."fleeting"'),
        ("target-trigger", "always", "blocker", 'DISABLE TRIGGER "always"'),
        ("privilege", "lacks INSERT, UPDATE, DELETE, TRUNCATE", "blocker", 'ON "public"."a" TO "writer"'),
        ("session-replication-role", "writer", "warning", "GRANT SET ON PARAMETER"),
        ("event-trigger", "watcher", "warning", "DISABLE"),
    ]
    for code, text, result, remedy in planted:
        named(r, code, text, result, remedy)
    assert len(planted) >= 20
    # what was not planted is not blocked
    blocked = {f["subject"] for f in r["findings"] if f["result"] == "blocker"}
    assert "public.b" in blocked and "public.mat" not in blocked and "public.left_out" not in blocked


# One at a time --------------------------------------------------------------------------------------
def test_unreachable_side_does_not_stop_the_other(clean, target, make_task):
    clean.sql("CREATE TABLE bare (v int)")
    report = check(make_task(target={"dsn": "host=127.0.0.1 port=1 dbname=x user=postgres sslmode=disable"}))
    named(report, "connection-refused", "target", "blocker")
    named(report, "replica-identity", "public.bare", "blocker")
    report = check(make_task(source={"dsn": "host=/nonexistent dbname=x user=postgres"}, target={"dsn": target.dsn}))
    named(report, "connection-refused", "source", "blocker")
    assert found(report, "connection", "target", "ok")


def test_replication_attribute_is_missing(clean, target, make_task):
    with clean.cluster.connect() as c:
        c.execute("DROP ROLE IF EXISTS reader")
        c.execute("CREATE ROLE reader LOGIN IN ROLE pg_read_all_data")
    report = check(make_task(source={"dsn": clean.conninfo("reader")}))
    named(report, "privilege", "may not replicate", "blocker", 'ALTER ROLE "reader" REPLICATION;')
    named(report, "plugin", "the role may not replicate", "unknown")


@pytest.fixture
def pooler(directory):
    """pgbouncer in front of databases: pooler({"s": database, ...}, mode) gives its port."""
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    started = []

    def start(databases, mode):
        place.server_dir(directory, 0o755)
        port, file = place.free_port(), os.path.join(directory, "pgbouncer.ini")
        lines = ["[databases]"] + [f"{name} = host={db.cluster.dir} port={db.cluster.port} dbname={db.name} user=postgres"
                                   for name, db in databases.items()]
        lines += ["[pgbouncer]", "listen_addr=127.0.0.1", f"listen_port={port}", "auth_type=any", f"pool_mode={mode}",
                  "ignore_startup_parameters=options,extra_float_digits", "unix_socket_dir="]
        with open(file, "w") as f:
            f.write("\n".join(lines) + "\n")
        started.append(subprocess.Popen(place.as_server_user() + [program, file], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 10, "pgbouncer listens")
        return port
    yield start
    for process in started:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_pooler_in_between(clean, target, make_task, pooler, mode):
    port = pooler({"s": clean, "d": target}, mode)
    dsn = f"host=127.0.0.1 port={port} user=postgres sslmode=disable dbname="
    report = check(make_task(source={"dsn": dsn + "s"}, target={"dsn": dsn + "d"}))
    named(report, "pooler", "source", "blocker", "source.host")
    named(report, "pooler", "target", "warning", "target.host")


def test_wal_level(make_cluster, make_database, target, make_task):
    source = make_database(make_cluster("replica", settings={"wal_level": "replica"}))
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    report = check(make_task(src=source))
    named(report, "wal-level", "wal_level is replica", "blocker", "ALTER SYSTEM SET wal_level = logical;")
    # a load alone needs none
    report = check(make_task(src=source, mode="full-load"))
    assert bad(report) == []


def test_source_is_target(clean, make_task):
    report = check(make_task(dst=clean))
    named(report, "source-is-target", clean.name, "blocker")


def test_two_databases_of_one_server_are_no_problem(clean, make_database, make_task):
    clean.sql("DROP TABLE emptycols")
    assert bad(check(make_task(dst=make_database(clean.cluster)))) == []


def test_standby_as_source(clean, target, make_cluster, make_task, tmp_path):
    """A server in recovery is told by what it says of itself."""
    cluster = make_cluster("standby")
    db = cluster.create_database("d")
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    cluster.stop()
    subprocess.run(place.as_server_user() + ["touch", f"{cluster.data}/standby.signal"], check=True)
    cluster.start()
    report = check(make_task(src=db))
    named(report, "in-recovery", "source", "blocker", "primary")


def test_lossy_types_choose_pgoutput(clean, target, make_task):
    clean.sql("DROP TABLE emptycols; CREATE TABLE n (id int PRIMARY KEY, v numeric)")
    report = check(make_task())
    assert bad(report) == [] and report["plugin"] == "pgoutput"
    assert found(report, "plugin", "public.n", "ok")


def test_pgoutput_needs_the_owner(clean, target, make_task):
    """Also when auto takes it: a publication is made by who owns its tables."""
    clean.sql("DROP TABLE emptycols; CREATE TABLE n (id int PRIMARY KEY, v numeric); DROP ROLE IF EXISTS ordinary;"
              "CREATE ROLE ordinary LOGIN REPLICATION; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ordinary;"
              "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO ordinary; DROP ROLE IF EXISTS owner_role;"
              "CREATE ROLE owner_role; ALTER TABLE visit OWNER TO owner_role")
    try:
        report = check(make_task(source={"dsn": clean.conninfo("ordinary")}))
        named(report, "ownership", "owner_role", "blocker", 'GRANT "owner_role" TO "ordinary";')
        named(report, "privilege", "may not create in the database", "blocker", "GRANT CREATE ON DATABASE")
        report = check(make_task(source={"dsn": clean.conninfo("ordinary")}, tables={"exclude": ["public.n"]}))
        named(report, "ownership", "owner_role", "warning")
    finally:
        clean.sql("DROP OWNED BY ordinary, owner_role CASCADE; DROP ROLE ordinary, owner_role")


def test_auto_falls_back_and_says_how_to_allow_wal2json(make_cluster, make_database, target, make_task):
    source = make_database(make_cluster("strict", plugins="pgoutput, test_decoding"))
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    report = check(make_task(src=source))
    assert report["plugin"] == "pgoutput" and report["blockers"] == 0
    named(report, "plugin", "refuses the output plugin 'wal2json'", None, "ALTER SYSTEM SET output_plugin_libraries")


def test_no_free_slot(make_cluster, make_database, target, make_task):
    source = make_database(make_cluster("full", settings={"max_replication_slots": "1", "max_wal_senders": "1"}))
    source.sql("CREATE TABLE t (id int PRIMARY KEY); SELECT pg_create_physical_replication_slot('other_use')")
    report = check(make_task(src=source))
    named(report, "replication-slots", "1 of 1", "blocker", "ALTER SYSTEM SET max_replication_slots = 5;")
    named(report, "plugin", "no slot is free", "unknown")


def test_left_over_slot_and_publication(clean, target, make_task):
    clean.sql("DROP TABLE emptycols; CREATE TABLE n (id int PRIMARY KEY, v numeric)")
    task = make_task(task="left")
    clean.sql("SELECT pg_create_logical_replication_slot('bascule_left', 'pgoutput');"
              "SELECT pg_create_logical_replication_slot('bascule_old', 'pgoutput');"
              "CREATE PUBLICATION bascule_left FOR TABLE visit")
    report = check(task)
    named(report, "slot", "bascule_left", "blocker", "bascule cleanup")
    named(report, "slot", "publication 'bascule_left'", "blocker", 'DROP PUBLICATION "bascule_left";')
    named(report, "idle-slot", "bascule_old", "warning", "SELECT pg_drop_replication_slot('bascule_old');")


def test_create_finds_tables_that_are_there(clean, target, make_task):
    target.sql("CREATE TABLE visit (id int)")
    report = check(make_task())
    named(report, "target-not-empty", "public.visit", "blocker", 'DROP TABLE "public"."visit";')


def test_truncate_warns_of_rows_and_of_references(clean, target, make_task):
    clean.sql("DROP TABLE emptycols")
    target.sql(CLEAN + "DROP TABLE emptycols; CREATE TABLE outsider (id int PRIMARY KEY, v bigint REFERENCES visit)")
    report = check(make_task(target={"prepare": "truncate"}))
    named(report, "target-not-empty", "public.visit", "warning")
    named(report, "foreign-key-inbound", "public.outsider", "blocker", "DROP CONSTRAINT")
    target.sql("DROP TABLE outsider; TRUNCATE clinic CASCADE")
    assert bad(check(make_task(target={"prepare": "truncate"}))) == []
    assert bad(check(make_task(target={"prepare": "nothing"}))) == []


def test_cycles_are_no_blocker_where_keys_can_be_switched_off(clean, target, make_task):
    clean.sql("DROP TABLE emptycols; ALTER TABLE clinic ADD main bigint REFERENCES visit")
    report = check(make_task())
    assert bad(report) == []
    assert found(report, "foreign-key-cycle", "public.clinic -> public.visit -> public.clinic", "ok")


def test_long_transaction(clean, target, make_task):
    clean.sql("DROP TABLE emptycols")
    with psycopg.connect(clean.dsn) as c:
        c.execute("INSERT INTO clinic VALUES (2, 'two', NULL)")
        pid = c.info.backend_pid
        assert bad(check(make_task())) == []
        c.execute("SELECT pg_sleep(1.2)")
        report = check(make_task(slot={"create_timeout": "1s"}))
        named(report, "long-transaction", str(pid), "warning", f"pg_terminate_backend({pid})")
        c.rollback()


def test_subscription_on_the_target(clean, target, make_task):
    clean.sql("DROP TABLE emptycols")
    target.sql("CREATE TABLE clinic (id int PRIMARY KEY, name text NOT NULL, parent int)")
    target.sql("CREATE SUBSCRIPTION feed CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)")
    try:
        target.sql("ALTER SUBSCRIPTION feed ENABLE")
        report = check(make_task())
        named(report, "subscription", "feed", "warning", 'ALTER SUBSCRIPTION "feed" DISABLE;')
    finally:
        target.sql("ALTER SUBSCRIPTION feed DISABLE")
        target.sql("ALTER SUBSCRIPTION feed SET (slot_name = NONE)")
        target.sql("DROP SUBSCRIPTION feed")


def test_too_few_connections(make_cluster, make_database, target, make_task):
    source = make_database(make_cluster("narrow", settings={"max_connections": "8", "superuser_reserved_connections": "0",
                                                            "max_wal_senders": "4"}))
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    report = check(make_task(src=source, load={"jobs": 8}))
    named(report, "connections", "source", "blocker", "max_connections")
    assert found(report, "connections", "target", "ok")


def test_too_few_locks(make_cluster, make_database, target, make_task):
    source = make_database(make_cluster("few", settings={"max_locks_per_transaction": "10", "max_connections": "12",
                                                         "max_wal_senders": "4", "max_prepared_transactions": "0"}))
    with source.connect() as c:
        for i in range(0, 250, 10):
            c.execute(";".join(f"CREATE TABLE t{j} (id int PRIMARY KEY)" for j in range(i, i + 10)))
    report = check(make_task(src=source))
    named(report, "locks", "source", "blocker", "max_locks_per_transaction")


def test_many_bad_tables_are_one_finding_with_all_remedies(clean, target, make_task):
    clean.sql("DROP TABLE emptycols;" + ";".join(f"CREATE TABLE bare{i} (v int)" for i in range(50)))
    report = check(make_task())
    assert report["blockers"] == 21
    rest = named(report, "replica-identity", "30 more", "blocker")
    every = " ".join(f["remedy"] for f in report["findings"])
    assert all(f'"bare{i}"' in every for i in range(50)) and rest["remedy"].count("ALTER TABLE") == 30


def test_rule_that_names_no_table(clean, target, make_task):
    report = check(make_task(tables={"include": ["public.nothere"]}))
    named(report, "config", "public.nothere", "blocker")
    report = check(make_task(tables={"exclude": ["*.*"]}))
    named(report, "config", "no table", "blocker", "tables.exclude")


def test_known_task_is_resumed_not_blocked(clean, target, make_task):
    clean.sql("DROP TABLE emptycols")
    task = make_task()
    task.start().wait_streaming()
    report = check(task)
    assert report["blockers"] == 0, bad(report)
    assert found(report, "task", "is known", "ok")


@pytest.mark.other_major
@pytest.mark.parametrize("major", [16, 17, 18])
def test_other_majors_as_target(clean, make_cluster, make_database, server_bin, make_task, major):
    clean.sql("DROP TABLE emptycols")
    target = make_database(make_cluster(f"pg{major}", bindir=server_bin(major)))
    report = check(make_task(dst=target))
    assert bad(report) == []


@pytest.mark.other_major
def test_newer_source_than_pg_dump(target, make_cluster, make_database, server_bin, make_task):
    source = make_database(make_cluster("pg18", bindir=server_bin(18), plugins=None))
    source.sql(CLEAN + "DROP TABLE emptycols")
    report = check(make_task(src=source))
    assert {f["code"] for f in report["findings"] if f["result"] == "blocker"} == {"unsupported"}, bad(report)
    named(report, "unsupported", "pg_dump is version 15, the source is 18", "blocker", "postgresql-client-18")
    named(report, "version", "older than the source", "warning")
    newer = make_database(make_cluster("pg18", bindir=server_bin(18), plugins=None))
    newer.sql(CLEAN + "DROP TABLE emptycols; TRUNCATE clinic, visit")
    assert bad(check(make_task(src=source, dst=newer, target={"prepare": "nothing"}))) == []
