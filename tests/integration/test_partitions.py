"""Partitioned tables: emptied with those that refer to them, taken apart and put together while they move."""
import pytest
from harness.flow import caught_up_and_equal

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
