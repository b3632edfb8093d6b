/* Bookkeeping memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/mem.h"

static void gives_memory(void **state)
{
    (void)state;
    char *a = mem_alloc(0), *b = mem_zalloc(100), *c = mem_strdup("text");
    assert_non_null(a);
    for (int i = 0; i < 100; i++)
        assert_int_equal(b[i], 0);
    b = mem_grow(b, 1000);
    b[999] = 1;
    assert_string_equal(c, "text");
    assert_null(mem_strdup(NULL));
    c = mem_grow(c, 0);
    free(mem_zalloc(0));
    free(a);
    free(b);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gives_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
