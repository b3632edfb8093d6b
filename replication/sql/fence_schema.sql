-- fence_schema: the schema for what bascule keeps on the source; only from the cutover on
-- params:  none
-- returns: nothing
-- needs:   CREATE on the database; PostgreSQL 15+
CREATE SCHEMA IF NOT EXISTS bascule
