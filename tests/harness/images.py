"""Are two columns equal byte for byte? Of each value three images are read: what the type's send function gives (of arrays:
each element's), its text, and by pageinspect the bytes as they are stored, without compression."""

# Of each column: the call of its send function and of its elements', and whether what is stored holds no number of an
# object, which differs between two databases though the value is the same.
CALL = """
    SELECT format('%%s({}::%%s)', p.oid::regproc, CASE WHEN a::text LIKE 'any%%' THEN t.oid::regtype ELSE a END)
    FROM pg_proc p, CAST(p.proargtypes[0] AS regtype) AS a WHERE p.oid = t.typsend 
          AND p.proname NOT IN ('record_send', 'array_send')"""
COLUMNS = rf"""
    SELECT r.name, a.attnum, a.attname, CASE WHEN e.oid IS NULL AND NOT names_object THEN ({CALL.replace('t.', 'b.')}) END,
           CASE WHEN NOT names_object THEN ({CALL.replace('t.', 'e.')}) END,
           NOT names_object AND (b.oid < 16384 AND b.typtype IN ('b', 'r', 'm') OR b.typtype = 'b' AND b.typelem = 0)
    FROM unnest(%s::text[]) AS r (name) JOIN pg_attribute a ON a.attrelid = r.name::regclass
         CROSS JOIN LATERAL (
            WITH RECURSIVE chain AS (SELECT t.* FROM pg_type t WHERE t.oid = a.atttypid
                                     UNION ALL SELECT t.* FROM chain c JOIN pg_type t ON t.oid = c.typbasetype)
            SELECT * FROM chain WHERE typtype <> 'd') b
         LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typlen = -1
         CROSS JOIN LATERAL (SELECT b.typname ~ '^_?(reg|aclitem)') AS x (names_object)
    WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY r.name, a.attnum"""
SESSION = ("SET search_path = public, pg_catalog; SET extra_float_digits = 3; SET datestyle = ISO; SET timezone = UTC;"
           "SET intervalstyle = postgres; SET bytea_output = hex; SET lc_monetary = 'C'; SET xmloption = content")
# Only rows that are visible are taken apart: what dead ones had in TOAST may be gone.
STORED = """
    SELECT array(SELECT coalesce(md5(attrs[n]), '-') FROM unnest(%s::int[]) AS n)
    FROM (SELECT tuple_data_split(%s::regclass, i.t_data, i.t_infomask, i.t_infomask2, i.t_bits, true) AS attrs
          FROM generate_series(0, pg_relation_size(%s::regclass) / current_setting('block_size')::int - 1) AS g (b)
               CROSS JOIN heap_page_items(get_raw_page(%s, b::int)) i
               JOIN {table} t ON t.ctid = format('(%%s,%%s)', b, i.lp)::tid) AS r"""


def _quote(name):
    return '"' + name.replace('"', '""') + '"'


class _Table:
    """What is read of one table on both sides."""

    def __init__(self, name, columns, arrives):
        self.name, self.arrives = name, arrives
        self.stored = [n for n, column, _, _, is_stored in columns if is_stored and not (arrives and column == "v")]
        self.columns = columns

    def _images(self, is_source):
        out = []
        for _, column, call, element_call, _ in self.columns:
            value = _quote(column)
            if is_source and self.arrives and column == "v":
                value = self.arrives.replace("{}", value)
            out += [f"format('%s', {value})", f"{value} IS NOT DISTINCT FROM NULL"]
            if call:
                out.append(f"md5({call.replace('{}', value)})")
            if element_call:
                out.append(f"(SELECT md5(string_agg(coalesce(md5({element_call.replace('{}', 'e')}), '-'), ',' ORDER BY i))"
                           f" FROM unnest({value}) WITH ORDINALITY AS u (e, i))")
        return out

    def image_count(self):
        return len(self._images(False))

    def rows(self, c, is_source, whole=False):
        images = ", ".join(self._images(is_source))
        return sorted(c.execute(f"SELECT {images if whole else f'md5(ROW({images})::text)'} FROM {self.name}"), key=repr)

    def stored_rows(self, c):
        return sorted(c.execute(STORED.format(table=self.name.replace("%", "%%")), (self.stored, *[self.name] * 3)))


def _first(left, right):
    only = [[row for row in a if row not in b][:2] for a, b in ((left, right), (right, left))]
    return f"{len(left)} and {len(right)} rows; source {str(only[0])[:600]}; target {str(only[1])[:600]}"


def compare(source, target, tables):
    """tables: name -> the expression that the target holds instead of column v, or None. Returns the differences as text,
    the number of images that were compared, and how many of them as stored."""
    found, images, stored = [], 0, 0
    for db in (source, target):
        db.sql("CREATE EXTENSION IF NOT EXISTS pageinspect SCHEMA public")
    with source.connect() as s, target.connect() as t:
        s.execute(SESSION)
        t.execute(SESSION)
        columns = {}
        for name, *column in s.execute(COLUMNS, (list(tables),)):
            columns.setdefault(name, []).append(column)
        for name, arrives in tables.items():
            table = _Table(name, columns[name], arrives)
            rows, other = table.rows(s, True), table.rows(t, False)
            images += len(rows) * table.image_count()
            if rows != other:
                found.append(f"{name}: {_first(table.rows(s, True, True), table.rows(t, False, True))}")
            pages, other = table.stored_rows(s), table.stored_rows(t)
            assert len(pages) == len(rows), f"{name}: not every row was read as stored"
            stored += len(pages) * len(table.stored)
            if pages != other:
                found.append(f"{name}: stored bytes of columns {table.stored}: {_first(pages, other)}")
    return found, images, stored
