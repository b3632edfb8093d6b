"""What anything.py asks of the catalog, and values of types that are not made by a rule."""

TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition,
       (SELECT count(*) FROM pg_constraint k WHERE k.confrelid = c.oid AND k.conrelid <> c.oid),
       pg_get_expr(c.relpartbound, c.oid), c.reloftype
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname NOT IN ('information_schema', 'bascule')
  AND n.nspname !~ '^pg_' AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = c.oid AND e.deptype = 'e')
ORDER BY 2, 3"""
COLUMNS = """
SELECT a.attrelid, a.attname, a.atttypid, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef,
       a.attgenerated, a.attidentity, a.attnum
FROM pg_attribute a WHERE a.attrelid = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, a.attnum"""
FOREIGN = """
SELECT k.conrelid, k.conkey, n.nspname, c.relname, k.confkey, k.confrelid
FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0"""
TYPES = """
SELECT t.oid, t.typname, t.typtype, t.typelem, t.typcategory, t.typbasetype, t.typrelid, format_type(t.oid, NULL),
       (SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid OR r.rngmultitypid = t.oid)
FROM pg_type t"""

PLAIN = {
    "point": ["(1,2)", "(-0,1e300)", "(NaN,Infinity)"], "line": ["{1,2,3}"], "lseg": ["[(0,0),(1,1)]"],
    "box": ["(1,1),(0,0)", "(3,4),(1,2)"], "path": ["[(0,0),(1,1)]", "((0,0),(2,1))"], "polygon": ["((0,0),(1,1),(1,0))"],
    "circle": ["<(1,2),3>"], "inet": ["192.168.0.1/24", "::1", "10.1.2.3"], "cidr": ["10.0.0.0/8", "2001:db8::/32"],
    "macaddr": ["08:00:2b:01:02:03"], "macaddr8": ["08:00:2b:01:02:03:04:05"], "tsvector": ["a:1A b:2", "", "'x y':3"],
    "tsquery": ["a & !b", "c:*"], "xml": ["<a b=\"c\">&amp;é</a>", "text"], "pg_lsn": ["0/0", "FFFF/1A"],
    "xid": ["42"], "cid": ["1"], "tid": ["(1,2)"], "xid8": ["99999999999"], "oid": ["0", "4294967295", "17"],
    "regclass": ["pg_class"], "regtype": ["integer", "text[]"], "regproc": ["now"], "regconfig": ["english"],
    "regnamespace": ["pg_catalog"], "regrole": ["postgres"], "regprocedure": ["now()"], "regoper": ["-"],
    "money": ["1.23", "-90000000000.00", "0"], "jsonpath": ["$.a[*]"], "txid_snapshot": ["10:20:10,14"],
    "pg_snapshot": ["10:20:10,14"], "aclitem": ["postgres=r/postgres"], "refcursor": ["c"], "int2vector": ["1 2 3"],
    "oidvector": ["1 2"], "hstore": ["a=>1, \"b c\"=>NULL", ""], "citext": ["MiXed", ""], "ltree": ["Top.Science", "a"],
    "lquery": ["Top.*"], "cube": ["(1,2),(3,4)", "(0)"], "ean13": ["978-0-393-04002-9"], "isbn": ["0-393-04002-X"],
}
