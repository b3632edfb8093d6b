/*
 * sqlstate - see pg/sqlstate.h. First match: single codes stand before their class of two
 * characters.
 *
 * Not decided here: 42501 of a refused output plugin, 55000 of a lost slot and 57014 of our own
 * cancel need to know what was asked, so the caller looks at Error.sqlstate.
 */
#include "pg/sqlstate.h"

#include <string.h>

static const struct {
    const char *prefix;
    ErrorClass cls;
} ROWS[] = {
    {"08P01", ERR_PROTOCOL},    /* protocol violation: a pooler refusing a startup parameter, too */
    {"08", ERR_CONN_LOST},      /* connection exceptions */
    {"0A", ERR_UNSUPPORTED},    /* feature not supported */
    {"22021", ERR_ENCODING},    /* bytes that are no text in the target's encoding */
    {"22P05", ERR_ENCODING},    /* a character that the target's encoding lacks */
    {"23", ERR_APPLY_CONFLICT}, /* integrity constraints */
    {"25P03", ERR_CONN_LOST},   /* idle-in-transaction timeout: the session is gone */
    {"25P04", ERR_CONN_LOST},   /* transaction timeout: the session is gone */
    {"28", ERR_AUTH},           /* invalid authorization */
    {"3D000", ERR_CONFIG},      /* no such database */
    {"40002", ERR_APPLY_CONFLICT},
    {"40003", ERR_CONN_LOST},  /* statement completion unknown */
    {"40", ERR_SERIALIZATION}, /* serialization failure, deadlock */
    {"42501", ERR_PRIVILEGE},
    {"53", ERR_RESOURCES},       /* disk, memory, connections */
    {"55006", ERR_SLOT_BUSY},    /* object in use */
    {"55P03", ERR_LOCK_TIMEOUT}, /* lock not available */
    {"57014", ERR_SQL},          /* query canceled: ERR_STOPPED when it was us */
    {"57P03", ERR_CONN_REFUSED}, /* starting up or shutting down */
    {"57P", ERR_CONN_LOST},      /* shutdown, crash, dropped database, idle session timeout */
};

ErrorClass sqlstate_class(const char *sqlstate)
{
    if (sqlstate == NULL || sqlstate[0] == '\0')
        return ERR_PROTOCOL;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        if (strncmp(sqlstate, ROWS[i].prefix, strlen(ROWS[i].prefix)) == 0)
            return ROWS[i].cls;
    return ERR_SQL;
}
