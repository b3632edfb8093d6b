"""Whole comparison of both sides of a correct copy, servers and checker on one machine."""
import os
import threading

import check
import data
import open_keys
import rate
from harness.daemon import Bascule
from report import Table
from rig import Failed, Meter, cpu_of_tree


def pgbench(db, scale):
    data.create_pgbench(db, max(1, int(100 * scale)))
    db.sql("ALTER TABLE pgbench_history REPLICA IDENTITY FULL")


SETS = {
    "pgbench": pgbench,
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
    """With the engine running, as in a migration: exact at one position."""
    with Meter(rig) as meter:
        before = cpu_of_tree(rig.engine.process.pid)
        meter.watch(rig.engine.process.pid)
        done = rig.engine.cmd("verify", "--restart", timeout=900)
        sample = meter.sample(cpu_of_tree(rig.engine.process.pid) - before)
    if done.code != 0:
        raise Failed(repr(done))
    return sample


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
        target = rig.target.create_database(source.name, owner="postgres")
        rig.engine = Bascule(os.path.join(rig.dir, f"verify_{name}"), source, target, release=True, task="bench", plugin="pgoutput")
        rig.engine.start().wait_streaming(timeout=300)
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
        rig.engine.stop()
        rig.target.drop_database(target.name)
        rig.source.drop_database(source.name)
        yield table
    yield from open_keys.run(rig, options)
    yield from rate.run(rig, options)
