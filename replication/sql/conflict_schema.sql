-- conflict_schema: the rows that both sides wrote (target_writes: dual-write); harmless when it is there
-- params:  none (a script: several statements, one transaction)
-- returns: nothing
-- needs:   CREATE on schema bascule; PostgreSQL 15+
SELECT pg_catalog.pg_advisory_xact_lock(27691695935417445);

CREATE TABLE IF NOT EXISTS bascule.conflict (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task        text NOT NULL,
    schema_name text NOT NULL,
    table_name  text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('insert-exists', 'update-exists', 'update-missing',
                                              'delete-missing', 'unique-clash')),
    key         jsonb NOT NULL,
    key_texts   text[] NOT NULL,
    source_row  jsonb,
    target_row  jsonb,
    columns     text[],
    lsn         pg_lsn NOT NULL,
    xid         bigint,
    commit_time timestamptz,
    seen_at     timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    policy      text NOT NULL,
    decision    text NOT NULL CHECK (decision IN ('waits', 'kept-target', 'took-source', 'already-gone',
                                                  'took-target', 'accepted')),
    settled_at  timestamptz,
    resolved_at timestamptz,
    resolved_by text
);
CREATE INDEX IF NOT EXISTS conflict_open ON bascule.conflict (task)
    WHERE settled_at IS NULL OR resolved_at IS NULL;
COMMENT ON TABLE bascule.conflict IS
    'Rows that source and target both wrote, and what became of each; written with the change itself.';
COMMENT ON COLUMN bascule.conflict.schema_name IS 'Name on the source, as table_name.';
COMMENT ON COLUMN bascule.conflict.kind IS
    'insert-exists, update-exists (moved onto a row that is there), update-missing, delete-missing, unique-clash.';
COMMENT ON COLUMN bascule.conflict.key IS 'Key of the row; of a unique-clash where the source won: of the row that gave way.';
COMMENT ON COLUMN bascule.conflict.source_row IS 'What the source has, under the target''s names; NULL: no row.';
COMMENT ON COLUMN bascule.conflict.target_row IS 'What the target had; NULL: no row.';
COMMENT ON COLUMN bascule.conflict.columns IS 'Columns that differ.';
COMMENT ON COLUMN bascule.conflict.lsn IS 'Commit of the change on the source.';
COMMENT ON COLUMN bascule.conflict.policy IS 'conflicts.rules: error, keep-target, take-source, latest.';
COMMENT ON COLUMN bascule.conflict.decision IS
    'waits: for a person; else what was done by the policy, or by a person.';
COMMENT ON COLUMN bascule.conflict.settled_at IS
    'Since then it is sure that the rows were not merely in motion; NULL: not yet.';
COMMENT ON COLUMN bascule.conflict.resolved_by IS 'policy, or the role and program of a person; NULL: nobody yet.';
