-- fence_one: at most one fence of a task is in force, whoever tries
-- params:  none
-- returns: nothing
-- needs:   ownership of bascule.fence; PostgreSQL 15+
CREATE UNIQUE INDEX IF NOT EXISTS fence_in_force ON bascule.fence (task) WHERE released_at IS NULL
