"""Stream backlog: every consumer stands still while the source writes, then each is timed until its target has all."""
import subprocess

import backlog
import check
from consumers import Native, Nowhere, Ours, Pglogical
from report import Table
from rig import Failed


def competitors(rig, source, kind, options):
    made = [Ours(rig, source, f"bascule, {plugin}", plugin) for plugin in kind.plugins]
    made += [Native(rig, source, name) for name in Native.options if kind.name == "bigtx" or "streaming" not in name]
    made += [Nowhere(rig, source, name) for name in Nowhere.options]
    made.append(Pglogical(rig, source, "pglogical"))
    return {c.name: c for c in made if c.name in options.order([m.name for m in made], 0)}


def copy_of(rig, source, name):
    base = rig.target.create_database(name, owner="postgres")
    done = subprocess.run(f"{rig.source.bindir}/pg_dump -Fc -Z0 -d '{source.dsn}' | {rig.target.bindir}/pg_restore --no-publications"
                          f" -d '{base.dsn}'", shell=True, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return base


def one_kind(rig, options, kind):
    rig.renew(preload="pglogical")
    work = kind(rig.dir, options.scale)
    source = rig.source.create_database(f"stream_{work.name}", owner="postgres")
    work.create(source)
    source.sql("CREATE TABLE bench_mark (id int PRIMARY KEY); CREATE PUBLICATION bench FOR TABLES IN SCHEMA public")
    base = copy_of(rig, source, f"base_{work.name}")
    running = competitors(rig, source, kind, options)
    for consumer in running.values():
        consumer.prepare(base.name)
    table = None
    for number in range(options.runs):
        changes = work.write(source)
        table = table or Table(f"stream.{work.name}", f"{work.title}, {changes:,} changes", changes, "changes")
        source.sql("INSERT INTO bench_mark VALUES (%s)", (number,))
        source.sql("CHECKPOINT")
        end_lsn = source.value("SELECT pg_current_wal_lsn()")
        known = None
        for name in options.order(running, number):
            rig.checkpoint()
            try:
                sample = running[name].drain(number, end_lsn)
                if running[name].target is not None:
                    known = check.same_rows(source, running[name].target, known)
                table.add(name, sample)
                options.say(f"{table.name} run {number + 1}: {name}: {sample.seconds:.2f} s, {changes / sample.seconds:,.0f} changes/s")
            except Failed as why:
                table.fail(name, why)
                options.say(f"{table.name} run {number + 1}: {name}: FAILED {why}")
    for consumer in running.values():
        consumer.end()
    rig.renew()
    return table


def run(rig, options):
    for kind in backlog.KINDS:
        if options.wants(kind.name):
            yield one_kind(rig, options, kind)
