"""Did a competitor deliver the rows? Number of rows and a hash of every table on both sides, by the servers."""
from rig import Failed

TABLES = """SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname = 'public' ORDER BY 1"""


def digest(db, tables):
    with db.connect() as c:
        c.execute("SET extra_float_digits = 3")
        return {t: c.execute(f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {t} t").fetchone() for t in tables}


def same_rows(source, target, known=None):
    """known: the source's digest, when it does not change between runs."""
    tables = [r[0] for r in source.sql(TABLES)]
    ours = known or digest(source, tables)
    theirs = digest(target, tables)
    wrong = [t for t in tables if ours[t] != theirs[t]]
    if wrong:
        raise Failed("rows differ in " + ", ".join(f"{t} ({ours[t][0]} rows, {theirs[t][0]} on the target)" for t in wrong))
    return ours


def same_indexes(source, target):
    count = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'"
    keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated"
    for query in (count, keys):
        if source.value(query) != target.value(query):
            raise Failed(f"{source.value(query)} indexes or foreign keys on the source, {target.value(query)} on the target")
