"""Values beyond the matrix: rows without a key, very large ones."""
import pytest
from harness.flow import finish


def test_replica_identity_full_of_awkward_types(source, target, make_task):
    """Looked up without an equality operator, with NaN, NULL and duplicates."""
    source.sql("CREATE TABLE t (a json, b point, c xml, d float8, e numeric, f text[]);"
               "ALTER TABLE t REPLICA IDENTITY FULL;"
               "INSERT INTO t SELECT '{\"a\": 1}', '(1,2)', '<a/>', 'NaN', 'NaN', '{}' FROM generate_series(1, 5);"
               "INSERT INTO t SELECT NULL, NULL, NULL, -0.0, 1.10, NULL FROM generate_series(1, 5)")
    task = make_task(plugin="pgoutput").start().wait_streaming()
    source.sql("DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE d = 'NaN' LIMIT 2);"
               "UPDATE t SET d = 5 WHERE ctid IN (SELECT ctid FROM t WHERE d = 0 LIMIT 2);"
               "UPDATE t SET f = '{x}' WHERE d = 'NaN'")
    finish(task, source, target)


# What is sent as it is, what grows when it is escaped, what has more than one byte a character.
TEXTS = {"plain": "repeat('x', {})", "escaped": "repeat(E'\\\\\\n\\t\"', {} / 4)", "wide": "repeat('日', {} / 3)"}


def large_values(source, target, make_task, plugin, size, texts):
    source.sql("CREATE TABLE big (id text PRIMARY KEY, t text, b bytea, n int DEFAULT 0)")
    for number, text in enumerate(texts):
        source.sql(f"INSERT INTO big VALUES ('loaded {number}', {text.format(size)}, decode(repeat('00ff5c27', {size} / 32), 'hex'))")
    task = make_task(plugin=plugin).start().wait_streaming(timeout=300)
    for number, text in enumerate(texts):
        source.sql(f"INSERT INTO big SELECT 'new {number}', {text.format(size)}, NULL")
        source.sql(f"UPDATE big SET n = 1 WHERE id = 'loaded {number}'")
    source.sql("UPDATE big SET t = left(t, length(t) / 2) || '!' WHERE id = 'new 0'; DELETE FROM big WHERE id = 'loaded 1'")
    task.wait_applied(source, timeout=300)
    query = "SELECT id, n, octet_length(t), md5(t), octet_length(b), md5(b) FROM big ORDER BY id"
    assert source.sql(query) == target.sql(query)
    assert len(source.sql(query)) == 2 * len(texts) - 1


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_large_values(source, target, make_task, plugin):
    large_values(source, target, make_task, plugin, 24_000_000, [TEXTS["plain"], TEXTS["escaped"]])


@pytest.mark.long
@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_values_of_250_mb(source, target, make_task, plugin):
    large_values(source, target, make_task, plugin, 250_000_000, list(TEXTS.values()))
