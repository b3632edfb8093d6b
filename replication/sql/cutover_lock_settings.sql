-- cutover_lock_settings: bounds of one attempt to lock, for this transaction
-- params:  $1 text lock_timeout, $2 text statement_timeout, $3 text idle_in_transaction_session_timeout (all ms)
-- returns: one row
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.set_config('lock_timeout', $1::pg_catalog.text, true),
       pg_catalog.set_config('statement_timeout', $2::pg_catalog.text, true),
       pg_catalog.set_config('idle_in_transaction_session_timeout', $3::pg_catalog.text, true)
