#!/usr/bin/python3
"""Captures what wal2json and pgoutput of a real server make of capture.sql: the data of test_decoders.

usage: capture.py SOCKET_DIRECTORY PORT   (a PostgreSQL 15 with wal2json that may be written to)

Writes relations.tsv (the catalog), wal2json.txt (one message a line) and pgoutput.hex. changes.txt, what
both must mean, is written by test_decoders itself when BASCULE_WRITE_EXPECTED is set, and read by a person.
"""
import pathlib
import sys

import psycopg

HERE = pathlib.Path(__file__).parent
SETUP = r"""
create domain dbytea as bytea; create domain dbool as bool;
create type pair as (a int, b text); create type odd as enum ('a''b', 'c');
create table plain(id int primary key, a text, b numeric(10,2), c bytea, d dbytea, e bool, f dbool,
                   g timestamptz, h jsonb, i text[], j float8,
                   gen int generated always as (id * 2) stored);
create table types(a int8 primary key, b numeric, c bytea, d bytea[], e pair, f int4range, g interval,
                   h timetz, i pg_lsn, j money, k odd);
create table toast(id int primary key, big text, small int);
alter table toast alter big set storage external;
create table full_(id int, a text, b point, big text); alter table full_ alter big set storage external;
alter table full_ replica identity full;
create table fullpk(id int primary key, a text, gen text generated always as (a || 'x') stored);
alter table fullpk replica identity full;
create table idx(id int primary key, u text not null, n int, unique(u));
alter table idx replica identity using index idx_u_key;
create table two(a int, b text, c int, primary key(a, b));
create table tkey(k text primary key, v int); alter table tkey alter k set storage external;
create schema "we ird";
create table "we ird"."ta""b\l.e😀"("c""ol\1" int primary key, "ünï" text, "a.b" text);
create table zero();
create table par(id int primary key, p int);
create table chi(id int primary key, pid int references par);
create table dropped(a int primary key, x int, y int); alter table dropped drop column x;
create table part(id int primary key, v text) partition by range (id);
create table part_low partition of part for values from (0) to (10);
create table part_high partition of part for values from (10) to (20);
create table outside(a int primary key);
"""
CATALOG = """
select c.oid, n.nspname, c.relname, c.relreplident,
       array(select format(E'%s\t%s\t%s\t%s\t%s\t%s', a.attname, a.atttypid,
                           case t.typtype when 'd' then t.typbasetype else t.oid end, a.attnotnull::int,
                           coalesce(a.attnum = any(k.indkey), false)::int, (a.attgenerated = 's')::int)
             from pg_attribute a join pg_type t on t.oid = a.atttypid
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
left join pg_index k on k.indrelid = c.oid
     and case c.relreplident when 'i' then k.indisreplident else k.indisprimary end
where c.relkind = 'r' and c.relname <> 'outside' and n.nspname in ('public', 'we ird') order by c.oid
"""
WAL2JSON = ("'format-version','2','include-lsn','true','include-xids','true','include-timestamp','true',"
            "'include-transaction','true','include-types','false','include-pk','false'")
PGOUTPUT = "'proto_version','1','publication_names','capture','messages','true','binary','false'"


def main():
    where = f"host={sys.argv[1]} port={sys.argv[2]} user=postgres"
    with psycopg.connect(where + " dbname=postgres", autocommit=True) as conn:
        conn.execute("drop database if exists capture")
        conn.execute("create database capture")
    with psycopg.connect(where + " dbname=capture", autocommit=True) as conn:
        conn.execute(SETUP)
        tables = conn.execute(CATALOG).fetchall()
        names = ", ".join('"%s"."%s"' % tuple(n.replace('"', '""') for n in row[1:3]) for row in tables)
        conn.execute("create publication capture for table " + names + ", outside")
        for slot, plugin in (("capture_w", "wal2json"), ("capture_p", "pgoutput")):
            conn.execute("select pg_create_logical_replication_slot(%s, %s)", (slot, plugin))
        for line in (HERE / "capture.sql").read_text().splitlines():
            if not line.startswith("--"):
                conn.execute(line)
        conn.execute("set timezone = 'UTC'")
        messages = conn.execute("select data from pg_logical_slot_get_changes('capture_w', null, null, "
                                + WAL2JSON + ")").fetchall()
        binary = conn.execute("select data from pg_logical_slot_get_binary_changes('capture_p', null, null, "
                              + PGOUTPUT + ")").fetchall()
        for slot in ("capture_w", "capture_p"):
            conn.execute("select pg_drop_replication_slot(%s)", (slot,))
    with open(HERE / "relations.tsv", "w") as out:
        for oid, schema, name, identity, columns in tables:
            out.write(f"R\t{oid}\t{schema}\t{name}\t{identity}\n")
            out.writelines(f"C\t{column}\n" for column in columns)
    (HERE / "wal2json.txt").write_text("".join(row[0] + "\n" for row in messages))
    (HERE / "pgoutput.hex").write_text("".join(row[0].hex() + "\n" for row in binary))


main()
