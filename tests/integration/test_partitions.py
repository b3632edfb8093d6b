"""Partitioned tables: emptied with those that refer to them, taken apart and put together while they move."""
import pytest
from harness.flow import caught_up_and_equal, cut_over
from harness.waiting import wait_until

PLUGINS = pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])

REFERRED = """
CREATE TABLE owner (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE owner_low PARTITION OF owner FOR VALUES FROM (0) TO (100);
CREATE TABLE owner_high PARTITION OF owner FOR VALUES FROM (100) TO (1000) PARTITION BY HASH (id);
CREATE TABLE owner_high_0 PARTITION OF owner_high FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE owner_high_1 PARTITION OF owner_high FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE pet (id int, k int, owner int REFERENCES owner, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE pet_1 PARTITION OF pet FOR VALUES IN (1);
CREATE TABLE pet_2 PARTITION OF pet DEFAULT PARTITION BY RANGE (id);
CREATE TABLE pet_2_low PARTITION OF pet_2 FOR VALUES FROM (0) TO (500);
CREATE TABLE pet_2_high PARTITION OF pet_2 DEFAULT;
CREATE TABLE visit (id int PRIMARY KEY, owner int REFERENCES owner);
ALTER TABLE pet ADD COLUMN best int;
ALTER TABLE pet_2 ADD FOREIGN KEY (best) REFERENCES visit;
INSERT INTO owner SELECT i FROM generate_series(0, 299) i;
INSERT INTO pet SELECT i, i % 3, i % 300 FROM generate_series(1, 900) i;
INSERT INTO visit SELECT i, i FROM generate_series(1, 50) i;
"""


@PLUGINS
@pytest.mark.parametrize("right", ["replica", "live"])
def test_truncate_cascade_of_partitioned_tables(clusters, source, target, make_task, plugin, right):
    """Foreign keys between partitioned tables: the roots are named although the source's message names leaves."""
    config = {}
    if right == "live":
        with clusters[1].connect() as c:
            if not c.execute("SELECT 1 FROM pg_roles WHERE rolname = 'emptier'").fetchone():
                c.execute("CREATE ROLE emptier LOGIN IN ROLE app")
        target.sql(f'GRANT CREATE ON DATABASE "{target.name}" TO emptier; ALTER SCHEMA public OWNER TO app')
        config = {"target": {"dsn": target.conninfo("emptier")}, "cutover": {"reverse": "off"}}
    source.sql("SET ROLE app; " + REFERRED if right == "live" else REFERRED)
    task = make_task(plugin=plugin, **config).start().wait_streaming()
    for statement in ("TRUNCATE visit CASCADE", "TRUNCATE pet_1", "TRUNCATE owner_high CASCADE", "TRUNCATE owner, pet, visit"):
        source.sql(statement)
        caught_up_and_equal(task, source, target)
        source.sql("INSERT INTO owner SELECT i FROM generate_series(0, 299) i ON CONFLICT DO NOTHING;"
                   "INSERT INTO pet SELECT i, i % 3, i % 300 FROM generate_series(1, 900) i ON CONFLICT DO NOTHING;"
                   "INSERT INTO visit SELECT i, i FROM generate_series(1, 50) i ON CONFLICT DO NOTHING")
        caught_up_and_equal(task, source, target)
    source.sql("BEGIN; INSERT INTO owner VALUES (300); TRUNCATE owner CASCADE; INSERT INTO owner VALUES (5), (500); COMMIT")
    caught_up_and_equal(task, source, target)
    assert target.value("SELECT count(*) FROM owner") == 2 and target.value("SELECT count(*) FROM pet") == 0


# what the source has, what the target has
ROWS = "SELECT i, date '2026-01-01' + i % 85, 'v' || i FROM generate_series(1, 3000) i"
FLAT = "CREATE TABLE part (id int, at date, v text, PRIMARY KEY (id, at));"
BY_MONTH = ("CREATE TABLE part (id int, at date, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);"
            "CREATE TABLE part_a PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"
            "CREATE TABLE part_b (v text, gone int, at date NOT NULL, id int NOT NULL, PRIMARY KEY (id, at)); ALTER TABLE part_b DROP gone;"
            "ALTER TABLE part ATTACH PARTITION part_b FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');"
            "CREATE TABLE part_c PARTITION OF part FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');")
BY_ID = ("CREATE TABLE part (v text, id int, at date, PRIMARY KEY (id, at)) PARTITION BY HASH (id);"
         "CREATE TABLE part_a PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0) PARTITION BY LIST (at);"
         "CREATE TABLE part_a_1 PARTITION OF part_a DEFAULT;"
         "CREATE TABLE part_one PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);")
WHOLE = {"flat to partitioned": (FLAT, BY_MONTH), "partitioned to flat": (BY_MONTH, FLAT), "partitioned otherwise": (BY_MONTH, BY_ID)}
KEYLESS = ("CREATE TABLE pile (k int, v json) PARTITION BY LIST (k); CREATE TABLE pile_1 PARTITION OF pile FOR VALUES IN (1);"
           "CREATE TABLE pile_2 PARTITION OF pile DEFAULT; ALTER TABLE pile_1 REPLICA IDENTITY FULL; ALTER TABLE pile_2 REPLICA IDENTITY FULL;")
KEYLESS_FLAT = "CREATE TABLE pile (k int, v json); ALTER TABLE pile REPLICA IDENTITY FULL;"
CHANGES = ("UPDATE part SET at = at + 31 WHERE id % 10 = 0 AND at < '2026-02-20'; UPDATE part SET v = 'z' WHERE id % 7 = 1;"
           "UPDATE part SET id = id + 100000 WHERE id % 13 = 1; DELETE FROM part WHERE id % 11 = 0; INSERT INTO part (id, at) VALUES (9000, '2026-03-05');"
           "BEGIN; UPDATE part SET at = '2026-01-05' WHERE id = 9000; UPDATE part SET at = '2026-03-05' WHERE id = 9000; COMMIT;"
           "UPDATE pile SET k = k + 1; DELETE FROM pile WHERE k = 2; INSERT INTO pile VALUES (1, '[]'), (7, NULL)")


def same_rows(task, source, target):
    """Neither the tables nor their partitions are called the same: what the whole holds is compared."""
    task.wait_applied(source)
    for query in ("SELECT md5(string_agg(p::text, ',' ORDER BY p)) FROM (SELECT id, at, v FROM part) p",
                  "SELECT md5(string_agg(p::text, ',' ORDER BY p::text)) FROM (SELECT k, v FROM pile) p"):
        assert source.value(query) == target.value(query), query


@PLUGINS
@pytest.mark.parametrize("kind", WHOLE)
def test_the_target_is_partitioned_otherwise(source, target, make_task, kind, plugin):
    ours, theirs = WHOLE[kind]
    source.sql(ours + (KEYLESS_FLAT if ours == FLAT else KEYLESS))
    target.sql(theirs + (KEYLESS_FLAT if theirs == FLAT else KEYLESS))
    source.sql(f"INSERT INTO part (id, at, v) {ROWS}; INSERT INTO pile SELECT i % 3, '{{}}' FROM generate_series(1, 60) i")
    task = make_task(plugin=plugin, target={"prepare": "truncate"}).start().wait_streaming()
    same_rows(task, source, target)
    for statement in CHANGES.split(";"):
        source.sql(statement)
    same_rows(task, source, target)
    # several in one transaction of single rows: what cannot be applied as a set is applied one by one
    source.sql("BEGIN; TRUNCATE part; INSERT INTO part VALUES (1, '2026-01-05', 'again'), (2, '2026-02-05', 'b'); COMMIT")
    same_rows(task, source, target)
    assert [t["table"] for t in task.status()["tables"] if t["message"]] == []
    task.ok("verify")
    task.ok("stop")
    task.start().wait_streaming()
    source.sql(f"INSERT INTO part (id, at, v) {ROWS} ON CONFLICT DO NOTHING")
    same_rows(task, source, target)
    cut_over(task)
    wait_until(lambda: task.status()["phase"] == "reversing", 60, "the way back is open", dump=task.describe)
    for statement in CHANGES.split(";"):
        target.sql(statement)
    wait_until(lambda: source.value("SELECT count(*) FROM part WHERE id = 9000") == 1, 60, "the way back brings it", dump=task.describe)
    task.wait_back()
    back = task.rollback()
    assert back.code == 0, f"{back!r}\n{task.tail(60)}"
    for query in ("SELECT md5(string_agg(p::text, ',' ORDER BY p)) FROM (SELECT id, at, v FROM part) p",):
        assert source.value(query) == target.value(query), query


def suspended_for(task, name, words):
    def there():
        task.must_live()
        return [t for t in task.status()["tables"] if t["table"] == f"public.{name}" and words in t["message"]]
    return wait_until(there, 60, f"{name} is suspended", 0.05, dump=task.describe)[0]


def all_back(task):
    wait_until(lambda: task.must_live() and not [t for t in task.status()["tables"] if t["message"] or t["state"] != "Table completed"],
               90, "no table is suspended", 0.1, dump=task.describe)


@PLUGINS
def test_partitions_come_and_go_under_a_table_that_moves_as_one(source, target, make_task, plugin):
    """The target is flat: a partition more, attached with rows, detached, dropped, emptied alone, renamed. Never a silent difference."""
    source.sql(BY_MONTH + KEYLESS + f"INSERT INTO part (id, at, v) {ROWS}; INSERT INTO pile VALUES (1, '1')")
    target.sql(FLAT + KEYLESS_FLAT)
    task = make_task(plugin=plugin, target={"prepare": "truncate"}).start().wait_streaming()
    loaded = target.value("SELECT xmin::text FROM pile LIMIT 1")
    for statement in ("CREATE TABLE part_d PARTITION OF part FOR VALUES FROM ('2026-04-01') TO ('2026-05-01');"
                      "INSERT INTO part VALUES (1, '2026-04-05', 'new'); UPDATE part SET at = '2026-04-07' WHERE id = 3 AND at < '2026-02-01'",
                      "CREATE TABLE part_e (LIKE part INCLUDING ALL); INSERT INTO part_e VALUES (5000, '2026-05-05', 'before');"
                      "ALTER TABLE part ATTACH PARTITION part_e FOR VALUES FROM ('2026-05-01') TO ('2026-06-01');"
                      "INSERT INTO part VALUES (5001, '2026-05-06', 'behind')",
                      "ALTER TABLE part DETACH PARTITION part_a; INSERT INTO part_a VALUES (77777, '2026-01-03', 'not of part')",
                      "DROP TABLE part_c", "TRUNCATE part_b; INSERT INTO part VALUES (9, '2026-02-02', 'after')"):
        source.sql(statement)
        suspended_for(task, "part", "partition")
        if "DETACH" in statement:  # a table of its own now, and in scope
            target.sql("CREATE TABLE part_a (id int, at date, v text, PRIMARY KEY (id, at))")
        all_back(task)
        same_rows(task, source, target)
    assert target.value("SELECT count(*) FROM part WHERE id = 77777") == 0
    assert target.value("SELECT xmin::text FROM pile LIMIT 1") == loaded
    cut_over(task)
    same = "SELECT count(*), min(at), max(v) FROM part"
    assert source.sql(same) == target.sql(same)


PLACES = """CREATE TABLE part (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1); CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2) PARTITION BY RANGE (id);
CREATE TABLE part_2_low PARTITION OF part_2 FOR VALUES FROM (0) TO (1000);
CREATE TABLE single (id int, k int, v text, PRIMARY KEY (id, k)); CREATE TABLE other (id int PRIMARY KEY, v text);
INSERT INTO part SELECT i, 1 + i % 2, 'v' FROM generate_series(1, 500) i; INSERT INTO single SELECT i, 3, 's' FROM generate_series(1, 100) i;
INSERT INTO other SELECT i, 'o' FROM generate_series(1, 100) i"""


@PLUGINS
@pytest.mark.parametrize("ddl", ["refuse", "apply"])
def test_partitions_attached_and_detached(source, target, make_task, plugin, ddl):
    """Both sides have the same partitions: each is a table of its own, and its place is part of its shape."""
    source.sql(PLACES)
    task = make_task(plugin=plugin, ddl=ddl).start().wait_streaming()
    loaded = target.value("SELECT xmin::text FROM other WHERE id = 50")
    for statement, table, words in (
            ("ALTER TABLE part ATTACH PARTITION single FOR VALUES IN (3); INSERT INTO part VALUES (700, 3, 'in')", "single",
             'ALTER TABLE "public"."part" ATTACH PARTITION "public"."single" FOR VALUES IN (3);'),
            ("ALTER TABLE part DETACH PARTITION part_1; INSERT INTO part_1 VALUES (900, 77, 'out')", "part_1",
             'ALTER TABLE "public"."part" DETACH PARTITION "public"."part_1";'),
            ("ALTER TABLE part DETACH PARTITION part_2; INSERT INTO part_2 VALUES (999, 2, 'above')", "part_2_low",
             'ALTER TABLE "public"."part" DETACH PARTITION "public"."part_2";')):
        source.sql(statement + "; UPDATE other SET v = v || '!' WHERE id = 1")
        if ddl == "refuse":
            suspended_for(task, table, "partition")
            shown = wait_until(lambda t=table: [x["statement"] for x in task.status()["tables"] if x["table"] == f"public.{t}" and x["statement"]],
                               60, "a statement", 0.1, dump=task.describe)
            assert shown == [words]
            assert task.cutover(timeout=60).code == 3
            target.sql(words)
        parents = "SELECT inhrelid::regclass::text, inhparent::regclass::text FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid" \
                  " WHERE c.relkind IN ('r', 'p') ORDER BY 1"
        wait_until(lambda q=parents: task.must_live() and source.sql(q) == target.sql(q), 60, "the same partitions", 0.1, dump=task.describe)
        all_back(task)
        caught_up_and_equal(task, source, target)
    assert target.value("SELECT xmin::text FROM other WHERE id = 50") == loaded
    cut_over(task)


REFUSED = {
    "a key without the target's partition columns":
        ("CREATE TABLE t (id int PRIMARY KEY, at date NOT NULL)",
         "CREATE TABLE t (id int, at date NOT NULL) PARTITION BY RANGE (at); CREATE TABLE t_1 PARTITION OF t DEFAULT",
         ['REPLICA IDENTITY USING INDEX new_key', 'CREATE UNIQUE INDEX new_key ON']),
    "a key of each partition only":
        ("CREATE TABLE t (id int, at date NOT NULL) PARTITION BY RANGE (at); CREATE TABLE t_1 PARTITION OF t DEFAULT;"
         "ALTER TABLE t_1 ADD PRIMARY KEY (id)", "CREATE TABLE t (id int PRIMARY KEY, at date)", ["key of the whole table", "ADD PRIMARY KEY"]),
    "some partitions out of scope":
        ("CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (10);"
         "CREATE TABLE away PARTITION OF t DEFAULT", "CREATE TABLE t (id int PRIMARY KEY)", ["only some of its partitions", 'tables.include']),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_carried_is_refused_with_the_remedy(source, target, make_task, kind):
    ours, theirs, words = REFUSED[kind]
    source.sql(ours)
    target.sql(theirs)
    task = make_task(target={"prepare": "truncate"}, **({"tables": {"include": ["public.t_1"]}} if "scope" in kind else {}))
    found = task.cmd("check")
    assert found.code == 3, repr(found)
    for word in words:
        assert word in " ".join(found.out.split()), f"{word}\n{found!r}"
    assert task.cmd("run", "--until", "caught-up", timeout=60).code == 3
    assert target.value("SELECT to_regnamespace('bascule') IS NULL")
