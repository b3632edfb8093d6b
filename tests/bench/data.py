"""The databases that are measured: pgbench's own, and 20 related tables with 49 indexes and 28 foreign keys."""
import subprocess

# name, columns, rows as a fraction of the base number, foreign keys (column -> table), further indexes
RELATED = [
    ("region", "code text, name text, area numeric(12,2)", 0.0001, {}, ["code"]),
    ("country", "region_id bigint, code text, name text", 0.0002, {"region_id": "region"}, ["code"]),
    ("city", "country_id bigint, name text, lat float8, lon float8", 0.005, {"country_id": "country"}, ["name"]),
    ("account", "city_id bigint, email text, created timestamptz, profile jsonb, score numeric(10,3)", 0.1,
     {"city_id": "city"}, ["email", "created"]),
    ("address", "account_id bigint, city_id bigint, street text, valid daterange", 0.12,
     {"account_id": "account", "city_id": "city"}, ["street"]),
    ("category", "parent_id bigint, name text", 0.001, {"parent_id": "category"}, ["name"]),
    ("supplier", "city_id bigint, name text, notes text", 0.01, {"city_id": "city"}, []),
    ("product", "category_id bigint, supplier_id bigint, name text, price numeric(10,2), tags text[], spec jsonb", 0.05,
     {"category_id": "category", "supplier_id": "supplier"}, ["name", "price"]),
    ("picture", "product_id bigint, body bytea", 0.02, {"product_id": "product"}, []),
    ("warehouse", "city_id bigint, country_id bigint, name text", 0.001, {"city_id": "city", "country_id": "country"}, []),
    ("stock", "product_id bigint, warehouse_id bigint, amount int, changed timestamptz", 0.2,
     {"product_id": "product", "warehouse_id": "warehouse"}, ["changed"]),
    ("customer_order", "account_id bigint, placed timestamptz, state text, total numeric(12,2)", 0.5,
     {"account_id": "account"}, ["placed", "state"]),
    ("order_line", "order_id bigint, product_id bigint, amount int, price numeric(10,2)", 1.0,
     {"order_id": "customer_order", "product_id": "product"}, []),
    ("payment", "order_id bigint, paid timestamptz, amount numeric(12,2), reference uuid", 0.4,
     {"order_id": "customer_order"}, ["reference"]),
    ("shipment", "order_id bigint, warehouse_id bigint, sent timestamptz, code text", 0.3,
     {"order_id": "customer_order", "warehouse_id": "warehouse"}, ["code"]),
    ("review", "product_id bigint, account_id bigint, stars int, body text", 0.2,
     {"product_id": "product", "account_id": "account"}, []),
    ("document", "account_id bigint, title text, body text", 0.03, {"account_id": "account"}, ["title"]),
    ("visit", "account_id bigint, at timestamptz, page text, ms int", 0.8, {"account_id": "account"}, ["at"]),
    ("basket", "account_id bigint, product_id bigint, amount int", 0.1,
     {"account_id": "account", "product_id": "product"}, []),
    ("note", "payment_id bigint, shipment_id bigint, body text", 0.1,
     {"payment_id": "payment", "shipment_id": "shipment"}, []),
]
BASE = 1_000_000  # rows of order_line at scale 1; about 1 GB in all with indexes

VALUES = {
    "text": "md5(i::text)", "float8": "(i % 18000) / 100.0", "timestamptz": "timestamptz '2024-01-01' + i * interval '7 s'",
    "jsonb": "jsonb_build_object('a', i, 'b', md5(i::text), 'c', jsonb_build_array(i % 7, i % 11))",
    "daterange": "daterange('2020-01-01', '2020-01-02'::date + (i % 1000)::int)", "int": "(i % 1000)::int",
    "text[]": "ARRAY[md5(i::text), 'x' || i % 10]", "uuid": "md5(i::text)::uuid", "bytea": "decode(repeat(md5(i::text), 64), 'hex')",
}
LONG = {"body": "repeat(md5(i::text), 1 + (i % 40)::int)", "notes": "repeat(md5(i::text), 10)"}


def _rows(fraction, scale):
    return max(5, int(BASE * fraction * scale))


def _value(table, column, kind, keys, counts):
    if column in keys:
        if keys[column] == table:
            return "CASE WHEN i > 3 THEN i / 3 END"
        return f"1 + (i * 7919) % {counts[keys[column]]}"
    if column in LONG and kind == "text":
        return LONG[column]
    return "(i % 100000) / 100.0" if kind.startswith("numeric") else VALUES[kind]


def create_related(db, scale):
    counts = {name: _rows(fraction, scale) for name, _, fraction, _, _ in RELATED}
    with db.connect() as c:
        for name, columns, _, keys, _ in RELATED:
            pairs = [tuple(x.rsplit(" ", 1)) for x in _split(columns)]
            c.execute(f"CREATE TABLE {name} (id bigint, {columns})")
            values = ", ".join(_value(name, column, kind, keys, counts) for column, kind in pairs)
            c.execute(f"INSERT INTO {name} SELECT i, {values} FROM generate_series(1::bigint, {counts[name]}) i")
        for name, _, _, keys, indexes in RELATED:
            c.execute(f"ALTER TABLE {name} ADD PRIMARY KEY (id)")
            for column in indexes:
                c.execute(f"CREATE INDEX ON {name} ({column})")
        more = [("order_line", "order_id"), ("stock", "product_id"), ("payment", "order_id"), ("visit", "account_id"),
                ("review", "product_id"), ("address", "account_id"), ("shipment", "order_id"), ("basket", "account_id"),
                ("customer_order", "account_id"), ("document", "account_id"), ("order_line", "product_id"), ("note", "payment_id"),
                ("note", "shipment_id")]
        for name, column in more:
            c.execute(f"CREATE INDEX ON {name} ({column})")
        for name, _, _, keys, _ in RELATED:
            for column, other in keys.items():
                c.execute(f"ALTER TABLE {name} ADD FOREIGN KEY ({column}) REFERENCES {other} (id)")
        c.execute("VACUUM (ANALYZE)")
    return sum(counts.values())


def _split(columns):
    """Commas outside of parentheses."""
    parts, depth, start = [], 0, 0
    for i, ch in enumerate(columns):
        depth += (ch == "(") - (ch == ")")
        if ch == "," and depth == 0:
            parts.append(columns[start:i].strip())
            start = i + 1
    return parts + [columns[start:].strip()]


def create_pgbench(db, scale):
    done = subprocess.run([f"{db.cluster.bindir}/pgbench", "-i", "-q", "-I", "dtgvp", "-s", str(scale), db.dsn],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return scale * 100_000
