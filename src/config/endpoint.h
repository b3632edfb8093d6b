/*
 * endpoint - from options to what the engine takes: where each side is.
 *
 * Connection  the dsn, overridden by the single fields; service and password files and libpq's
 *             PG* environment are honoured as psql would. sslmode is verify-full unless one of
 *             them says otherwise (over a unix socket libpq needs none).
 * Connects to nothing.
 */
#pragma once

#include "bascule/port/pgconn.h"
#include "config/config.h"

/* Complete conninfo and `shown`, the same for people: "host=db1 port=5432 dbname=app user=mig
 * sslmode=verify-full". ->stop and ->encoding are left NULL. CONFIG when nothing says where the
 * server is. */
MUST_CHECK bool config_endpoint(const Config *config, bool source, PgEndpoint *out_endpoint,
                                Arena *arena, Error *err);
/* The database's name there, for people: what `shown` calls dbname. After a config_endpoint that
 * went well. */
const char *config_database(const Config *config, bool source, Arena *arena);
