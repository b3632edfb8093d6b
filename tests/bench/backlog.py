"""What the source writes while the consumers are stopped: the four kinds of backlog."""
import os
import subprocess

import data

MIXED = """\
\\set a random(1, {accounts})
\\set p random(1, {products})
\\set s random(1, {stocks})
\\set o random(1, {orders})
BEGIN;
INSERT INTO customer_order (id, account_id, placed, state, total) VALUES (nextval('order_seq'), :a, now(), 'new', 19.98);
INSERT INTO order_line (id, order_id, product_id, amount, price) VALUES (nextval('line_seq'), currval('order_seq'), :p, 1, 9.99);
INSERT INTO order_line (id, order_id, product_id, amount, price) VALUES (nextval('line_seq'), currval('order_seq'), :p, 2, 9.99);
UPDATE account SET score = coalesce(score, 0) + 1 WHERE id = :a;
UPDATE stock SET amount = amount - 1 WHERE id = :s;
UPDATE customer_order SET state = 'paid' WHERE id = :o;
DELETE FROM basket WHERE id = nextval('basket_seq');
COMMIT;
"""


def _pgbench(db, script, transactions, directory, scale=None):
    argv = [f"{db.cluster.bindir}/pgbench", "-n", "-c", "4", "-j", "2", "-t", str(max(1, transactions // 4)), "-M", "prepared"]
    if script is not None:
        path = os.path.join(directory, "script.sql")
        with open(path, "w") as f:
            f.write(script)
        argv += ["-f", path]
    done = subprocess.run([*argv, db.dsn], capture_output=True, text=True,
                          env={**os.environ, "PGOPTIONS": "-c synchronous_commit=off"})
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    return max(1, transactions // 4) * 4


class Work:
    """One kind: create() once, write() for every run; write returns the number of changes."""
    plugins = ("pgoutput", "wal2json")

    def __init__(self, directory, scale):
        self.dir, self.scale = directory, scale

    def rows(self, full):
        return max(100, int(full * self.scale))


class Tpcb(Work):
    name, title = "tpcb", "stream backlog, pgbench TPC-B transactions"

    def create(self, db):
        data.create_pgbench(db, max(1, int(50 * self.scale)))
        db.sql("ALTER TABLE pgbench_history REPLICA IDENTITY FULL")

    def write(self, db):
        return 4 * _pgbench(db, None, self.rows(200_000), self.dir)


class Mixed(Work):
    name, title = "mixed", "stream backlog, small mixed transactions over related tables"
    plugins = ("pgoutput",)  # numeric and float columns: wal2json is refused for them

    def create(self, db):
        data.create_related(db, 0.2 * self.scale)
        self.count = {t: db.value(f"SELECT count(*) FROM {t}") for t in ("account", "product", "stock", "customer_order",
                                                                          "order_line")}
        db.sql(f"CREATE SEQUENCE order_seq START {self.count['customer_order'] + 1};"
               f" CREATE SEQUENCE line_seq START {self.count['order_line'] + 1}; CREATE SEQUENCE basket_seq")

    def write(self, db):
        c = self.count
        script = MIXED.format(accounts=c["account"], products=c["product"], stocks=c["stock"], orders=c["customer_order"])
        return 7 * _pgbench(db, script, self.rows(60_000), self.dir)


class Inserts(Work):
    name, title = "inserts", "stream backlog, single-row inserts in transactions of 1,000"

    def create(self, db):
        db.sql("CREATE TABLE line (id bigint PRIMARY KEY, a int, b text, c bigint, d timestamptz)")
        self.next = 1

    def write(self, db):
        amount = self.rows(1_000_000)
        with db.connect() as c:
            c.execute("SET synchronous_commit = off")
            for first in range(self.next, self.next + amount, 1000):
                c.execute("INSERT INTO line SELECT i, i %% 1000, md5(i::text), i * 100, now() FROM generate_series(%s::int, %s::int) i",
                          (first, min(first + 999, self.next + amount - 1)))
        self.next += amount
        return amount


class Big(Work):
    name, title = "bigtx", "stream backlog, one transaction that updates every row"

    def create(self, db):
        db.sql("CREATE TABLE big (id bigint PRIMARY KEY, v int, b text, c bigint);"
               f" INSERT INTO big SELECT i, 0, md5(i::text), i * 100 FROM generate_series(1, {self.rows(1_000_000)}) i")
        db.sql("VACUUM big")

    def write(self, db):
        db.sql("UPDATE big SET v = v + 1")
        return self.rows(1_000_000)


KINDS = (Tpcb, Mixed, Inserts, Big)
