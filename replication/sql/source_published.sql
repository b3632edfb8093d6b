-- source_published: does a publication hold a table?
-- params:  $1 text publication, $2 text schema, $3 text table
-- returns: bool
-- needs:   pg_catalog only
SELECT EXISTS (SELECT FROM pg_catalog.pg_publication_rel r
               JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
               JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE p.pubname = $1::pg_catalog.text AND n.nspname = $2::pg_catalog.text
                 AND c.relname = $3::pg_catalog.text)
