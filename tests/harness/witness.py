"""Proof that nothing was changed: everything of a database that bascule could have touched, before and after."""
import psycopg
from psycopg import sql

from . import catalog


def fingerprint(db):
    """Catalogs (with schema bascule), slots, publications, settings of the database, and a digest of every table."""
    out = {}
    with psycopg.connect(db.dsn) as c:
        for part in catalog.PARTS:
            out[part] = catalog.read(c, part)
        out["schemas"] = c.execute("SELECT array_agg(nspname::text ORDER BY nspname) FROM pg_namespace"
                                   " WHERE nspname !~ '^pg_t'").fetchone()[0]
        out["slots"] = c.execute("SELECT array_agg(slot_name::text ORDER BY slot_name) FROM pg_replication_slots"
                                 " WHERE database = current_database()").fetchone()[0]
        out["publications"] = c.execute("SELECT array_agg(pubname::text ORDER BY pubname) FROM pg_publication"
                                        ).fetchone()[0]
        out["triggers"] = c.execute("SELECT array_agg(tgname::text ORDER BY tgrelid, tgname) FROM pg_trigger"
                                    " WHERE NOT tgisinternal").fetchone()[0]
        out["functions"] = c.execute("SELECT count(*) FROM pg_proc WHERE oid >= 16384").fetchone()[0]
        out["settings"] = c.execute("SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d"
                                    " ON d.oid = s.setdatabase WHERE datname = current_database()").fetchall()
        for schema, table in catalog.tables(c):
            if (schema, table) == ("bascule", "audit"):
                continue  # also what was refused is recorded
            name = sql.Identifier(schema, table)
            out[f"rows of {schema}.{table}"] = c.execute(
                sql.SQL("SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM ONLY {} t")
                .format(name)).fetchone()
    return out


class Untouched:
    """with Untouched(source, target): ... fails when one of the databases is not as before."""

    def __init__(self, *databases):
        self.databases = databases

    def __enter__(self):
        self.before = [fingerprint(db) for db in self.databases]
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.check()

    def check(self):
        for db, before in zip(self.databases, self.before):
            after = fingerprint(db)
            changed = [f"{key}: {before.get(key)} -> {after.get(key)}" for key in before.keys() | after.keys()
                       if before.get(key) != after.get(key)]
            assert not changed, f"{db} was changed:\n" + "\n".join(changed)
