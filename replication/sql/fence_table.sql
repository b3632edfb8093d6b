-- fence_table: one row a committed fence, written in the transaction that arms the fence triggers
-- params:  none
-- returns: nothing
-- needs:   CREATE on schema bascule; PostgreSQL 15+
CREATE TABLE IF NOT EXISTS bascule.fence (
    task        text NOT NULL,
    epoch       bigint NOT NULL,
    fenced_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    barrier_lsn pg_lsn NOT NULL,
    new_primary text NOT NULL,
    released_at timestamptz,
    PRIMARY KEY (task, epoch)
)
