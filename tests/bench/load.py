"""Full load: from an empty database to data, indexes and foreign keys."""
import os
import shutil

import check
import data
from harness.daemon import Bascule
from report import Table
from rig import Failed

SETS = {
    "pgbench": ("full load, pgbench scale {n}", lambda db, scale: data.create_pgbench(db, max(1, int(100 * scale)))),
    "related": ("full load, 20 related tables", data.create_related),
}


def bascule(rig, source, target):
    task = Bascule(os.path.join(rig.dir, "bascule"), source, target, release=True, task="bench", mode="full-load",
                   load={"jobs": 2})
    return rig.run([task.binary, "--config", task.file, "run"])


def pgcopydb(*options):
    def run(rig, source, target):
        work = os.path.join(rig.dir, "pgcopydb")
        shutil.rmtree(work, ignore_errors=True)
        return rig.run(["pgcopydb", "clone", "--source", source.dsn, "--target", target.dsn, "--dir", work,
                        "--table-jobs", "2", "--index-jobs", "2", *options])
    return run


def dump_pipe(rig, source, target):
    return rig.run(f"{rig.source.bindir}/pg_dump -Fc -Z0 -d '{source.dsn}' | {rig.target.bindir}/pg_restore -d '{target.dsn}'")


def dump_directory(rig, source, target):
    work = os.path.join(rig.dir, "dump")
    shutil.rmtree(work, ignore_errors=True)
    return rig.run(f"{rig.source.bindir}/pg_dump -Fd -Z0 -j2 -f {work} -d '{source.dsn}' &&"
                   f" {rig.target.bindir}/pg_restore -j2 -d '{target.dsn}' {work}")


def copy_pipes(rig, source, target):
    """The raw limit: schema without indexes, binary COPY two tables at a time, then indexes and keys two at a time."""
    work = os.path.join(rig.dir, "pipes")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    names = source.sql("SELECT format('%I', relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                       " ORDER BY pg_table_size(oid) DESC")
    with open(os.path.join(work, "tables"), "w") as f:
        f.writelines(name + "\n" for name, in names)
    psql, dump = f"{rig.source.bindir}/psql -X -q", f"{rig.source.bindir}/pg_dump -Fc -s -d '{source.dsn}' -f {work}/schema"
    copy = (f'{psql} -d "{source.dsn}" -c "COPY {{}} TO STDOUT (FORMAT binary)" |'
            f' {psql} -d "{target.dsn}" -c "COPY {{}} FROM STDIN (FORMAT binary)"')
    restore = f"{rig.target.bindir}/pg_restore -d '{target.dsn}' {work}/schema"
    with open(os.path.join(work, "pipe.sh"), "w") as f:
        f.write(copy.replace("{}", "$1") + "\n")
    return rig.run(f"set -e; {dump}; {restore} --section=pre-data; xargs -P 2 -n 1 sh {work}/pipe.sh < {work}/tables;"
                   f" {rig.target.bindir}/pg_restore -j 2 --section=post-data -d '{target.dsn}' {work}/schema")


COMPETITORS = {
    "bascule": bascule,
    "pgcopydb": pgcopydb(),
    "pgcopydb, split 256 MB": pgcopydb("--split-tables-larger-than", "256MB"),
    "pg_dump -Fc | pg_restore": dump_pipe,
    "pg_dump -Fd -j2, pg_restore -j2": dump_directory,
    "limit: COPY pipes, then indexes": copy_pipes,
}


def run(rig, options):
    for name, (title, create) in SETS.items():
        if not options.wants(name):
            continue
        source = rig.source.create_database(f"load_{name}", owner="postgres")
        create(source, options.scale)
        size = source.value("SELECT pg_database_size(current_database())")
        table = Table(f"load.{name}", title.format(n=int(100 * options.scale)) + f", {size >> 20} MB", size / 1e6, "MB")
        known = None
        for number in range(options.runs):
            for competitor in options.order(COMPETITORS, number):
                target = rig.target.create_database("load_target", owner="postgres")
                rig.checkpoint()
                try:
                    sample = COMPETITORS[competitor](rig, source, target)
                    known = check.same_rows(source, target, known)
                    check.same_indexes(source, target)
                    table.add(competitor, sample)
                    options.say(f"{table.name} run {number + 1}: {competitor}: {sample.seconds:.2f} s")
                except Failed as why:
                    table.fail(competitor, why)
                    options.say(f"{table.name} run {number + 1}: {competitor}: FAILED {why}")
                finally:
                    rig.target.drop_database("load_target")
        rig.source.drop_database(source.name)
        yield table
