"""What the system catalogs of a database say, in a form that two databases can be compared by."""
import psycopg
from psycopg import sql

USER_SCHEMAS = "n.nspname NOT IN ('information_schema', 'bascule') AND n.nspname !~ '^pg_'"
# Not what an extension brought along.
OWN = "NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = {oid} AND e.deptype = 'e')"
NO_FENCE = r"AND t.tgname !~ '^\W?_?bascule'"

QUERIES = {
    "column": f"""
        SELECT n.nspname || '.' || c.relname || '.' || a.attname,
               concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END,
                         a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid), l.collname)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             LEFT JOIN pg_collation l ON l.oid = a.attcollation
        WHERE {USER_SCHEMAS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND a.attnum > 0
          AND NOT a.attisdropped AND {OWN.format(oid='c.oid')}""",
    "relation": f"""
        SELECT n.nspname || '.' || c.relname,
               concat_ws(' ', c.relkind, c.relpersistence, CASE WHEN c.relrowsecurity THEN 'rls' END,
                         pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid), pg_get_userbyid(c.relowner),
                         (SELECT string_agg(p.inhparent::regclass::text, ',' ORDER BY p.inhseqno)
                          FROM pg_inherits p WHERE p.inhrelid = c.oid))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {USER_SCHEMAS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {OWN.format(oid='c.oid')}""",
    "index": f"""
        SELECT n.nspname || '.' || c.relname, concat_ws(' ', pg_get_indexdef(i.indexrelid),
               CASE WHEN i.indisvalid THEN 'valid' ELSE 'invalid' END, CASE WHEN i.indisprimary THEN 'primary' END)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {USER_SCHEMAS}""",
    # What a foreign key is called on a partition that has it from its parent, the server makes up.
    "constraint": f"""
        SELECT n.nspname || '.' || c.relname || '.' || CASE WHEN k.contype = 'f' AND k.conparentid <> 0
               THEN pg_get_constraintdef(k.oid) ELSE k.conname::text END,
               concat_ws(' ', pg_get_constraintdef(k.oid), CASE WHEN k.convalidated THEN 'validated' END)
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {USER_SCHEMAS} AND k.contype <> 'n' AND k.contype <> 't'""",
    "trigger": f"""
        SELECT n.nspname || '.' || c.relname || '.' || t.tgname,
               concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {USER_SCHEMAS} AND NOT t.tgisinternal {NO_FENCE}""",
    "view": f"""
        SELECT n.nspname || '.' || c.relname, pg_get_viewdef(c.oid)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {USER_SCHEMAS} AND c.relkind IN ('v', 'm') AND {OWN.format(oid='c.oid')}""",
    "function": f"""
        SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE {USER_SCHEMAS} AND p.prokind IN ('f', 'p') AND {OWN.format(oid='p.oid')}""",
    "type": f"""
        SELECT n.nspname || '.' || t.typname,
               concat_ws(' ', t.typtype, format_type(nullif(t.typbasetype, 0), t.typtypmod),
                         (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
                          FROM pg_enum e WHERE e.enumtypid = t.oid))
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE {USER_SCHEMAS} AND t.typtype IN ('d', 'e', 'r') AND {OWN.format(oid='t.oid')}""",
    "policy": f"""
        SELECT n.nspname || '.' || c.relname || '.' || p.polname,
               concat_ws(' ', p.polcmd, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {USER_SCHEMAS}""",
    "extension": "SELECT extname, 'installed' FROM pg_extension",
}
PARTS = tuple(QUERIES)


def read(conn, part):
    # With an empty path every name is printed with its schema.
    conn.execute("SET search_path = ''")
    return dict(conn.execute(QUERIES[part]).fetchall())


def view_rows(conn):
    """What the views show: majors print the same definition in different words. Materialized ones are as old as their
    last refresh on each side."""
    out = {}
    for schema, view in conn.execute(f"""
            SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE {USER_SCHEMAS} AND c.relkind = 'v' AND {OWN.format(oid='c.oid')}""").fetchall():
        try:
            out[f"{schema}.{view}"] = " ".join(conn.execute(sql.SQL(
                "SELECT count(*)::text, coalesce(md5(string_agg(v::text, ',' ORDER BY v::text COLLATE \"C\")), '') FROM {} v"
                ).format(sql.Identifier(schema, view))).fetchone())
        except psycopg.Error as e:
            conn.rollback()
            conn.execute("SET search_path = ''")
            out[f"{schema}.{view}"] = f"fails with {e.sqlstate}"
    return out


def compare(source, target, parts=PARTS):
    """What the source has and the target lacks or has otherwise; extras on the target are differences too."""
    out = []
    majors = {conn.info.server_version // 10000 for conn in (source, target)}
    for part in parts:
        left, right = read(source, part), read(target, part)
        if part == "view" and len(majors) > 1:
            left, right = view_rows(source), view_rows(target)
        for name in sorted(left.keys() | right.keys()):
            if left.get(name) != right.get(name):
                out.append(f"{part} {name}: {_shown(left.get(name))} on the source,"
                           f" {_shown(right.get(name))} on the target")
    return out


def _shown(text):
    return "none" if text is None else f"'{' '.join(text.split())[:300]}'"


def tables(conn):
    """(schema, table) -> column names, of every table that holds rows of its own."""
    rows = conn.execute(f"""
        SELECT n.nspname, c.relname,
               coalesce(array_agg(a.attname::text ORDER BY a.attname) FILTER (WHERE a.attnum > 0
                        AND NOT a.attisdropped), '{{}}')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE {USER_SCHEMAS} AND c.relkind = 'r' AND {OWN.format(oid='c.oid')}
        GROUP BY 1, 2""").fetchall()
    return {(schema, table): columns for schema, table, columns in rows}


def sequences(conn):
    """name -> (last value, whether it was handed out, increment)"""
    out = {}
    for schema, name, step in conn.execute(f"""
            SELECT n.nspname, c.relname, s.seqincrement FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USER_SCHEMAS}""").fetchall():
        full = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name))
        value, called = conn.execute(f"SELECT last_value, is_called FROM {full}").fetchone()
        out[f"{schema}.{name}"] = (value, called, step)
    return out
