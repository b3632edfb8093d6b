"""`bascule check`: two dozen planted problems in one database, of other kinds than test_check's, and an odd and busy
database in which nothing is wrong."""
import psycopg
from test_check import bad, check, named

PLANTED = """
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
CREATE FOREIGN TABLE distant (id int) SERVER far;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE moody (id int PRIMARY KEY, m mood);
CREATE TABLE computed (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED);
CREATE TABLE stored (id int PRIMARY KEY, n int, twice int);
CREATE TABLE narrow (id int PRIMARY KEY, v varchar(50));
CREATE TABLE nullable (id int PRIMARY KEY, v text);
CREATE TABLE viewed (id int PRIMARY KEY, v text);
CREATE TABLE renamed (id int PRIMARY KEY, v text);
CREATE TABLE ruled (id int PRIMARY KEY, v text);
CREATE TABLE cased (id int PRIMARY KEY, "Name" text);
CREATE TABLE filled (id int PRIMARY KEY, v text);
CREATE TABLE partitioned (id int, d date, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
CREATE TABLE partitioned_1 PARTITION OF partitioned FOR VALUES FROM ('2020-01-01') TO ('2030-01-01');
CREATE TABLE used_up (id smallint PRIMARY KEY DEFAULT 1); CREATE SEQUENCE used_up_seq AS smallint OWNED BY used_up.id;
SELECT setval('used_up_seq', 32760);
CREATE TABLE heir_of (id int PRIMARY KEY); CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (heir_of);
CREATE TABLE orphan (id int PRIMARY KEY, up int); INSERT INTO orphan VALUES (1, 77);
ALTER TABLE orphan ADD CONSTRAINT orphan_up FOREIGN KEY (up) REFERENCES filled NOT VALID;
CREATE TABLE no_key (v text);
CREATE UNLOGGED TABLE volatile (id int PRIMARY KEY);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE SCHEMA bascule;
CREATE FUNCTION bascule.fence_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER bascule_fence BEFORE INSERT ON filled FOR EACH STATEMENT EXECUTE FUNCTION bascule.fence_refuse('old', 'x');
SELECT lo_create(0);
"""

ON_TARGET = """
CREATE TYPE mood AS ENUM ('good');
CREATE TABLE moody (id int PRIMARY KEY, m mood);
CREATE TABLE computed (id int PRIMARY KEY, n int, twice int);
CREATE TABLE stored (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED);
CREATE TABLE narrow (id int PRIMARY KEY, v varchar(5));
CREATE TABLE nullable (id int PRIMARY KEY, v text NOT NULL);
CREATE VIEW viewed AS SELECT 1 AS id, ''::text AS v;
CREATE TABLE "Renamed" (id int PRIMARY KEY, v text);
CREATE TABLE ruled (id int PRIMARY KEY, v text);
CREATE RULE r AS ON INSERT TO ruled DO INSTEAD NOTHING; ALTER TABLE ruled ENABLE ALWAYS RULE r;
CREATE TABLE cased (id int PRIMARY KEY, name text);
CREATE TABLE filled (id int PRIMARY KEY, v text); INSERT INTO filled VALUES (1, 'x');
CREATE TABLE partitioned (id int, d date, PRIMARY KEY (id, d));
CREATE TABLE used_up (id smallint PRIMARY KEY);
CREATE TABLE heir_of (id int PRIMARY KEY); CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (heir_of);
CREATE TABLE orphan (id int PRIMARY KEY, up int);
ALTER TABLE orphan ADD CONSTRAINT positive CHECK (up > 0);
CREATE UNIQUE INDEX once ON heir_of ((id % 7));
ALTER TABLE heir ADD CONSTRAINT apart EXCLUDE USING btree (id WITH =);
CREATE TABLE no_key (v text); CREATE TABLE volatile (id int PRIMARY KEY);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER always BEFORE INSERT ON narrow FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE narrow ENABLE ALWAYS TRIGGER always;
CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER planted ON ddl_command_end EXECUTE FUNCTION e();
CREATE SUBSCRIPTION feed CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false);
"""


def test_two_dozen_other_problems(source, target, make_task):
    source.sql(PLANTED)
    target.sql(ON_TARGET)
    source.sql("SELECT pg_create_logical_replication_slot('bascule_planted', 'pgoutput')")
    source.sql("CREATE PUBLICATION bascule_planted FOR TABLE filled")
    task = make_task(task="planted", plugin="pgoutput", target={"prepare": "nothing"}, slot={"create_timeout": "1s"})
    try:
        target.sql("ALTER SUBSCRIPTION feed ENABLE")
        with psycopg.connect(source.dsn) as c:
            c.execute("INSERT INTO narrow VALUES (7, 'seven')")
            c.execute("SELECT pg_sleep(1.2)")
            r = check(task)
            c.rollback()
    finally:
        target.sql("ALTER SUBSCRIPTION feed DISABLE; ALTER SUBSCRIPTION feed SET (slot_name = NONE)")
        target.sql("DROP SUBSCRIPTION feed")
    planted = [
        ("slot", "bascule_planted' exists, but", "blocker", "SELECT pg_drop_replication_slot('bascule_planted');"),
        ("slot", "publication 'bascule_planted'", "blocker", 'DROP PUBLICATION "bascule_planted";'),
        ("extension", "postgres_fdw", "warning", 'CREATE EXTENSION "postgres_fdw"'),
        ("long-transaction", "idle in transaction", "warning", "pg_terminate_backend"),
        ("subscription", "feed", "warning", 'ALTER SUBSCRIPTION "feed" DISABLE'),
        ("event-trigger", "planted", "warning", "DISABLE"),
        ("foreign-table", "public.distant", "warning", "CREATE SERVER"),
        ("large-objects", "1 large object", "warning", "pg_dump"),
        ("left-over", "public.filled", "blocker", "bascule cleanup"),
        ("sequence-end", "public.used_up_seq", "warning", 'ALTER SEQUENCE "public"."used_up_seq" AS bigint'),
        ("replica-identity", "public.no_key", "blocker", "REPLICA IDENTITY FULL"),
        ("unlogged", "public.volatile", "warning", "SET LOGGED"),
        ("foreign-key-not-valid", "orphan_up", "warning", 'VALIDATE CONSTRAINT "orphan_up"'),
        ("schema-differs", "column 'Name' is missing", "blocker", 'ADD COLUMN "Name" text'),
        ("schema-differs", "'twice' is generated on the source", "blocker", 'DROP COLUMN "twice"'),
        ("schema-differs", "'twice' is generated on the target", "blocker", "DROP EXPRESSION"),
        ("schema-differs", "varying(50) on the source, character varying(5)", "blocker", "TYPE character varying(50)"),
        ("schema-differs", "public.renamed", "blocker", "pg_dump --schema-only"),
        ("schema-differs", "on the target it is a view", "blocker", "ordinary table"),
        ("target-not-empty", "public.filled", "blocker", 'TRUNCATE "public"."filled"'),
        ("target-trigger", "always", "warning", 'DISABLE TRIGGER "always"'),
        ("target-rule", "rule 'r'", "blocker", 'ALTER TABLE "public"."ruled" DISABLE RULE "r"'),
        ("target-refuses", "'v' is NOT NULL on the target only", "warning", 'ALTER COLUMN "v" DROP NOT NULL'),
        ("target-refuses", "no label 'bad'", "warning", "ALTER TYPE public.mood ADD VALUE 'bad'"),
        ("target-refuses", "constraint 'positive'", "warning", 'DROP CONSTRAINT "positive"'),
        ("target-refuses", "unique index 'once'", "warning", 'DROP INDEX "public"."once"'),
        ("target-refuses", "constraint 'apart'", "warning", 'DROP CONSTRAINT "apart"'),
    ]
    for code, text, result, remedy in planted:
        named(r, code, text, result, remedy)
    # and nothing else
    assert len(bad(r)) == len(planted), [b for b in bad(r) if not any(c == b[1] and t in " ".join(b) for c, t, _, _ in planted)]


ODD = """
CREATE DOMAIN email AS text CHECK (VALUE ~ '@');
CREATE TYPE pair AS (a int, b numeric[]); CREATE TYPE state AS ENUM ('new', 'old');
CREATE SCHEMA "Sales & ""Co"" s";
CREATE TABLE "Sales & ""Co"" s"."Órder; DROP" ("Id " uuid PRIMARY KEY DEFAULT gen_random_uuid(), "select" email, s state[], p pair);
CREATE TABLE treelike (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, up bigint REFERENCES treelike DEFERRABLE INITIALLY DEFERRED,
    "both" text GENERATED ALWAYS AS ('x') STORED, r int4range, EXCLUDE USING gist (r WITH &&));
CREATE TABLE left_side (id int PRIMARY KEY, other int); CREATE TABLE right_side (id int PRIMARY KEY, other int REFERENCES left_side);
ALTER TABLE left_side ADD FOREIGN KEY (other) REFERENCES right_side;
CREATE TABLE parted (id int, at date, v jsonb, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO ('2025-01-01') PARTITION BY HASH (id);
CREATE TABLE parted_1_1 PARTITION OF parted_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
CREATE TABLE mother (id int PRIMARY KEY, v text); CREATE TABLE child (PRIMARY KEY (id)) INHERITS (mother);
CREATE TABLE by_index (a int NOT NULL, b text NOT NULL, UNIQUE (b, a)); ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_b_a_key;
CREATE TABLE fired (id int PRIMARY KEY, n int DEFAULT 0); ALTER TABLE fired DROP COLUMN n; ALTER TABLE fired ADD n text COLLATE "C";
CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER fires BEFORE INSERT OR UPDATE ON fired FOR EACH ROW EXECUTE FUNCTION fire();
CREATE VIEW shown AS SELECT * FROM fired; CREATE RULE shown_in AS ON INSERT TO shown DO INSTEAD INSERT INTO fired VALUES (NEW.id);
CREATE SEQUENCE down_to INCREMENT -1 CYCLE MAXVALUE 3 MINVALUE 1 START 3; SELECT nextval('down_to') FROM generate_series(1, 3);
COMMENT ON TABLE treelike IS 'it''s a "tree"';
"""


def test_an_odd_and_busy_database_has_no_blocker(source, target, app, make_task, make_writers):
    """The application's database under its writers, with odd things beside: nothing blocks, and the move works."""
    source.sql(ODD)
    make_writers(count=2)
    task = make_task()
    for running in (False, True):
        report = check(task)
        assert report["blockers"] == 0 and report["unknowns"] == 0, bad(report)
        if not running:
            task.start().wait_streaming()
    task.wait_applied(source)
