"""Whole comparison of both sides of a correct copy, servers and checker on one machine."""
import os
import threading
import time

import check
import data
import stream
from harness.daemon import Bascule
from report import Table
from rig import Failed, Meter

SETS = {
    "pgbench": lambda db, scale: data.create_pgbench(db, max(1, int(100 * scale))),
    "related": data.create_related,
}


def in_database(expression):
    """The same aggregate over every table, both sides at once, one session each."""
    def run(rig, source, target):
        tables = [r[0] for r in source.sql(check.TABLES)]
        found = {}

        def side(name, db):
            with db.connect() as c:
                c.execute("SET max_parallel_workers_per_gather = 0")
                found[name] = [c.execute(f"SELECT count(*), {expression} FROM {t} t").fetchone() for t in tables]
        with Meter(rig) as meter:
            threads = [threading.Thread(target=side, args=pair) for pair in (("source", source), ("target", target))]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            sample = meter.sample()
        if found["source"] != found["target"]:
            raise Failed("it says that a correct copy differs")
        return sample
    return run


def bascule(rig, source, target):
    task = Bascule(os.path.join(rig.dir, f"verify_{time.monotonic_ns()}"), source, target, release=True, task="bench")
    return rig.run([task.binary, "--config", task.file, "verify"])


COMPETITORS = {
    "bascule verify": bascule,
    "in the database: hashtextextended": in_database("sum(hashtextextended(t::text, 0))"),
    "in the database: hashtext (pgcopydb)": in_database("sum(hashtext(t::text)::bigint)"),
    "limit: count(*)": in_database("1"),
}


def run(rig, options):
    for name, create in SETS.items():
        if not options.wants(name):
            continue
        source = rig.source.create_database(f"verify_{name}", owner="postgres")
        create(source, options.scale)
        target = stream.copy_of(rig, source, f"verify_{name}")
        target.sql("ANALYZE")
        size = source.value("SELECT sum(pg_table_size(c.oid)) FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        table = Table(f"verify.{name}", f"comparison of both sides, {name}, {int(size) >> 20} MB a side", float(size) / 1e6, "MB")
        for number in range(options.runs):
            for competitor in options.order(COMPETITORS, number):
                try:
                    table.add(competitor, COMPETITORS[competitor](rig, source, target))
                    options.say(f"{table.name} run {number + 1}: {competitor}: {table.runs[competitor][-1].seconds:.2f} s")
                except Failed as why:
                    table.fail(competitor, why)
                    options.say(f"{table.name} run {number + 1}: {competitor}: FAILED {why}")
        rig.target.drop_database(target.name)
        rig.source.drop_database(source.name)
        yield table
