/* The table of SQLSTATEs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "pg/sqlstate.h"
#include <cmocka.h>

static void classes(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        ErrorClass cls;
    } ROWS[] = {
        {"08006", ERR_CONN_LOST},
        {"08003", ERR_CONN_LOST},
        {"08P01", ERR_PROTOCOL},
        {"0A000", ERR_UNSUPPORTED},
        {"23505", ERR_APPLY_CONFLICT},
        {"23503", ERR_APPLY_CONFLICT},
        {"23P01", ERR_APPLY_CONFLICT},
        {"25P03", ERR_CONN_LOST},
        {"25P02", ERR_SQL},
        {"25006", ERR_SQL},
        {"28P01", ERR_AUTH},
        {"28000", ERR_AUTH},
        {"3D000", ERR_CONFIG},
        {"40001", ERR_SERIALIZATION},
        {"40P01", ERR_SERIALIZATION},
        {"40002", ERR_APPLY_CONFLICT},
        {"40003", ERR_CONN_LOST},
        {"42501", ERR_PRIVILEGE},
        {"42P01", ERR_SQL},
        {"42601", ERR_SQL},
        {"53100", ERR_RESOURCES},
        {"53300", ERR_RESOURCES},
        {"55000", ERR_SQL},
        {"55006", ERR_SLOT_BUSY},
        {"55P03", ERR_LOCK_TIMEOUT},
        {"57014", ERR_SQL},
        {"57P01", ERR_CONN_LOST},
        {"57P02", ERR_CONN_LOST},
        {"57P03", ERR_CONN_REFUSED},
        {"57P05", ERR_CONN_LOST},
        {"58030", ERR_SQL},
        {"P0001", ERR_SQL},
        {"XX000", ERR_SQL},
        {"22P02", ERR_SQL},
        {"", ERR_PROTOCOL},
        {NULL, ERR_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        if (sqlstate_class(ROWS[i].sqlstate) != ROWS[i].cls)
            fail_msg("%s is %s", ROWS[i].sqlstate, err_slug(sqlstate_class(ROWS[i].sqlstate)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
