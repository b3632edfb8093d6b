"""The oracle and the writers' ledger must be able to say no: each kind of damage is found."""
import pytest
from harness import oracle, workload
from harness.writers import Writers

BOTH = """
CREATE TABLE t (id int PRIMARY KEY, a text, n numeric, f float8, b bytea, ts timestamptz);
INSERT INTO t SELECT i, 'value ' || i, i, i / 7.0, '\\x00', '2026-01-01 00:00+00' FROM generate_series(1, 100) i;
CREATE SEQUENCE s; SELECT setval('s', 100);
CREATE TABLE child (id serial PRIMARY KEY, t int REFERENCES t);
CREATE INDEX t_a ON t (a);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER trg BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
CREATE VIEW vw AS SELECT id FROM t;
"""

DAMAGE = {
    "one value": ("UPDATE t SET a = 'Value 7' WHERE id = 7", "t: 100 rows"),
    "row missing": ("DELETE FROM t WHERE id = 50", "only on the source: value 50"),
    "row too many": ("INSERT INTO t (id) VALUES (101)", "101 on the target"),
    "null for empty": ("UPDATE t SET a = NULL WHERE id = 1", "t: 100 rows"),
    "empty for value": ("UPDATE t SET a = '' WHERE id = 1", "t: 100 rows"),
    "swapped rows": ("UPDATE t SET a = 'value ' || (CASE id WHEN 1 THEN 2 ELSE 1 END) WHERE id IN (1, 2)", "t: 100 rows"),
    "one digit of a float": ("UPDATE t SET f = f + 1e-16 WHERE id = 1", "t: 100 rows"),
    "scale of a numeric": ("UPDATE t SET n = 1.0 WHERE id = 1", "t: 100 rows"),
    "one byte": ("UPDATE t SET b = '\\x01' WHERE id = 1", "t: 100 rows"),
    "one microsecond": ("UPDATE t SET ts = ts + interval '1 us' WHERE id = 9", "t: 100 rows"),
    "table missing": ("DROP TABLE child", "public.child: not on the target"),
    "sequence missing": ("DROP SEQUENCE s", "sequence public.s: not on the target"),
    "sequence behind": ("SELECT setval('s', 99)", "behind it on the target"),
    "index missing": ("DROP INDEX t_a", "index public.t_a"),
    "foreign key missing": ("ALTER TABLE child DROP CONSTRAINT child_t_fkey", "constraint public.child.child_t_fkey"),
    "foreign key not validated": ("ALTER TABLE child DROP CONSTRAINT child_t_fkey, ADD FOREIGN KEY (t) REFERENCES t"
                                  " NOT VALID", "constraint public.child.child_t_fkey"),
    "trigger missing": ("DROP TRIGGER trg ON t", "trigger public.t.trg"),
    "trigger disabled": ("ALTER TABLE t DISABLE TRIGGER trg", "trigger public.t.trg"),
    "default missing": ("ALTER TABLE child ALTER id DROP DEFAULT", "column public.child.id"),
    "column type": ("DROP VIEW vw; ALTER TABLE t ALTER id TYPE bigint; CREATE VIEW vw AS SELECT id FROM t",
                    "column public.t.id"),
    "view differs": ("CREATE OR REPLACE VIEW vw AS SELECT id + 0 AS id FROM t", "view public.vw"),
    "function differs": ("CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
                         "function public.f()"),
    "extra table": ("CREATE TABLE extra (x int)", "relation public.extra"),
    "owner": ("ALTER TABLE t OWNER TO app", "relation public.t"),
}


@pytest.fixture
def twins(source, target):
    for db in (source, target):
        db.sql(BOTH)
    return source, target


def test_equal_databases_are_equal(twins):
    assert oracle.differences(twins[0].dsn, twins[1].dsn) == []


def test_sequence_ahead_is_fine(twins):
    twins[1].sql("SELECT setval('s', 1100)")
    assert oracle.differences(twins[0].dsn, twins[1].dsn) == []


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(twins, name):
    statement, said = DAMAGE[name]
    twins[1].sql(statement)
    found = oracle.differences(twins[0].dsn, twins[1].dsn)
    assert any(said in line for line in found), found


def test_ledger_finds_loss_duplication_and_invention(source, target, make_writers):
    workload.create(source)
    writers = make_writers(count=2, after="stop")
    writers.wait_more(50)
    writers.stop()
    assert writers.loss_and_duplication(source) == []
    source.sql("ALTER TABLE ledger DROP CONSTRAINT ledger_pkey;"
               "INSERT INTO ledger SELECT * FROM ledger LIMIT 1;"
               "INSERT INTO ledger VALUES ('invented', 0, 'x')")
    wrong = "\n".join(writers.loss_and_duplication(source))
    assert "there twice" in wrong and "nobody wrote it: invented" in wrong
    source.sql("DELETE FROM ledger WHERE id = (SELECT id FROM ledger WHERE id <> 'invented' LIMIT 1)")
    assert "acknowledged but lost" in "\n".join(writers.loss_and_duplication(source))


def test_every_operation_of_the_workload_succeeds(source, make_writers):
    """A workload whose statements fail would test nothing."""
    workload.create(source)
    before = workload.money(source)
    writers = make_writers(count=2, after="stop")

    def kinds():
        return {r[0] for r in source.sql("SELECT DISTINCT kind FROM ledger")}
    from harness.waiting import wait_until
    wanted = {op.__name__ for op in workload.OPERATIONS}
    wait_until(lambda: kinds() >= wanted, 40, "every kind of transaction committed",
               dump=lambda: f"missing: {wanted - kinds()}\n{writers.logs()}")
    writers.stop()
    assert workload.money(source) == before


def test_writers_follow_a_move_and_measure_it(source, target):
    """Without bascule: the source refuses, the target takes over."""
    for db in (source, target):
        workload.create(db)
    writers = Writers(source, target, count=2, after="probe").start()
    try:
        writers.wait_more(20)
        source.sql(f'ALTER DATABASE "{source.name}" SET default_transaction_read_only = on;'
                   "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"
                   " AND datname = current_database()")
        writers.wait_moved()
    finally:
        writers.stop(check=False)
    assert 0 < writers.downtime() < 20
    writers.assert_never_both_open()
