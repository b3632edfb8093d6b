-- cutover_epoch_take: begins a new epoch, newer than any on either side, without verdict
-- params:  $1 text task, $2 int8 newest epoch known on the source
-- returns: epoch int8
-- needs:   INSERT on bascule.verdict, UPDATE on bascule.task; PostgreSQL 15+
WITH taken AS (
    INSERT INTO bascule.verdict (task, epoch)
    SELECT $1::pg_catalog.text,
           1 + GREATEST($2::pg_catalog.int8, COALESCE(pg_catalog.max(v.epoch), 0))
    FROM bascule.verdict v
    WHERE v.task = $1::pg_catalog.text
    RETURNING epoch
), shown AS (
    UPDATE bascule.task AS t SET epoch = taken.epoch FROM taken
    WHERE t.task = $1::pg_catalog.text
)
SELECT epoch FROM taken
