"""Rows that are damaged on the target, each in a table of its own, and how each must be named."""

QUIET = """
CREATE TABLE one_bit (id int PRIMARY KEY, raw bytea NOT NULL);
INSERT INTO one_bit SELECT i, decode(md5(i::text), 'hex') FROM generate_series(1, 3000) i;
CREATE TABLE one_row (a int, b text, v numeric(12,2), at timestamptz, PRIMARY KEY (b, a));
INSERT INTO one_row SELECT i, 'k' || i % 7, i / 4.0, '2026-01-01'::timestamptz + i * interval '1 min'
    FROM generate_series(1, 3000) i;
CREATE TABLE null_or_empty (id bigint PRIMARY KEY, v text);
INSERT INTO null_or_empty SELECT i, CASE WHEN i % 2 = 0 THEN '' END FROM generate_series(1, 3000) i;
CREATE TABLE swapped (id uuid PRIMARY KEY, v int NOT NULL);
INSERT INTO swapped SELECT md5(i::text)::uuid, i FROM generate_series(1, 3000) i;
CREATE TABLE extra_row (id int PRIMARY KEY, v text);
INSERT INTO extra_row SELECT i, 'v' || i FROM generate_series(1, 3000) i;
CREATE TABLE missing_row (id int PRIMARY KEY, v text);
INSERT INTO missing_row SELECT i, 'v' || i FROM generate_series(1, 3000) i;
CREATE TABLE toasted (id int PRIMARY KEY, body text);
ALTER TABLE toasted ALTER body SET STORAGE EXTERNAL;
INSERT INTO toasted SELECT i, repeat(md5(i::text), 400) FROM generate_series(1, 100) i;
CREATE TABLE keyless (a int, b text);
ALTER TABLE keyless REPLICA IDENTITY FULL;
INSERT INTO keyless SELECT i % 100, CASE WHEN i % 3 > 0 THEN 'b' || i % 5 END FROM generate_series(1, 3000) i;
CREATE TABLE minus_zero (id int PRIMARY KEY, v float8, n numeric);
INSERT INTO minus_zero SELECT i, 0, 1.0 FROM generate_series(1, 300) i;
CREATE TABLE untouched (id int PRIMARY KEY, v text);
INSERT INTO untouched SELECT i, 'v' || i FROM generate_series(1, 3000) i;
"""

# What is done on the target, and how it must be named: table, kind, key, columns.
DAMAGE = [
    ("UPDATE one_bit SET raw = set_bit(raw, 77, 1 - get_bit(raw, 77)) WHERE id = 1234",
     [("public.one_bit", "different", {"id": "1234"}, ["raw"])]),
    ("UPDATE one_row SET v = v + 1, at = at + interval '1 microsecond' WHERE a = 700",
     [("public.one_row", "different", {"b": "k0", "a": "700"}, ["v", "at"])]),
    ("UPDATE null_or_empty SET v = '' WHERE id = 2999",
     [("public.null_or_empty", "different", {"id": "2999"}, ["v"])]),
    ("UPDATE swapped s SET v = o.v FROM swapped o WHERE s.v IN (5, 6) AND o.v = 11 - s.v",
     [("public.swapped", "different", {"id": "e4da3b7f-bbce-2345-d777-2b0674a318d5"}, ["v"]),
      ("public.swapped", "different", {"id": "1679091c-5a88-0faf-6fb5-e6087eb1b2dc"}, ["v"])]),
    ("INSERT INTO extra_row VALUES (0, 'more')", [("public.extra_row", "extra", {"id": "0"}, [])]),
    ("DELETE FROM missing_row WHERE id = 3000", [("public.missing_row", "missing", {"id": "3000"}, [])]),
    ("UPDATE toasted SET body = overlay(body placing 'X' from 9000) WHERE id = 50",
     [("public.toasted", "different", {"id": "50"}, ["body"])]),
    ("UPDATE minus_zero SET v = '-0' WHERE id = 7", [("public.minus_zero", "representation", {"id": "7"}, ["v"])]),
    ("UPDATE bulk SET pad = pad || ' ' WHERE id = (SELECT max(id) FROM bulk)", None),
]
