/* Map: growth, replacing, look-up-or-put, binary keys, long probe chains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/map.h"

enum { COUNT = 20000 };
static uint32_t keys[COUNT];

static void put_and_get_through_growth(void **state)
{
    (void)state;
    Map map = MAP_INIT;
    assert_null(map_get(&map, "x", 1));
    for (uint32_t i = 0; i < COUNT; i++) {
        keys[i] = i;
        assert_null(map_put(&map, &keys[i], sizeof keys[i], &keys[i]));
    }
    assert_int_equal(map.count, COUNT);
    assert_true(map.count <= map.capacity / 4 * 3);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_ptr_equal(map_get(&map, &i, sizeof i), &keys[i]);
    uint32_t missing = COUNT + 1;
    assert_null(map_get(&map, &missing, sizeof missing));
    map_clear(&map);
    assert_int_equal(map.count, 0);
    assert_null(map_get(&map, &keys[1], sizeof keys[1]));
    assert_null(map_put(&map, &keys[1], sizeof keys[1], &keys[2]));
    assert_ptr_equal(map_get(&map, &keys[1], sizeof keys[1]), &keys[2]);
    map_done(&map);
    map_done(&map);
}

static void replace_gives_the_old_value(void **state)
{
    (void)state;
    Map map = MAP_INIT;
    char first[] = "k", second[] = "k";
    assert_null(map_put(&map, first, 1, first));
    assert_ptr_equal(map_put(&map, second, 1, second), first);
    assert_int_equal(map.count, 1);
    first[0] = 'q'; /* the old key's memory may be used for something else now */
    assert_ptr_equal(map_get(&map, "k", 1), second);
    map_done(&map);
}

static void keys_are_bytes(void **state)
{
    (void)state;
    Map map = MAP_INIT;
    int a, b, c, d;
    map_put(&map, "a\0b", 3, &a);
    map_put(&map, "a\0c", 3, &b);
    map_put(&map, "a", 1, &c);
    map_put(&map, "", 0, &d);
    assert_ptr_equal(map_get(&map, "a\0b", 3), &a);
    assert_ptr_equal(map_get(&map, "a\0c", 3), &b);
    assert_ptr_equal(map_get(&map, "a", 1), &c);
    assert_ptr_equal(map_get(&map, NULL, 0), &d);
    assert_null(map_get(&map, "a\0", 2));
    map_done(&map);
}

static void slot_finds_or_makes(void **state)
{
    (void)state;
    Map map = MAP_INIT;
    bool found;
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 1000; i++) {
            keys[i] = i;
            MapEntry *entry = map_slot(&map, &keys[i], sizeof keys[i], &found);
            assert_int_equal(found, round > 0);
            if (!found)
                entry->value = &keys[i];
            assert_ptr_equal(entry->value, &keys[i]);
        }
    }
    assert_int_equal(map.count, 1000);
    map_done(&map);
}

static void next_visits_each_once(void **state)
{
    (void)state;
    Map map = MAP_INIT;
    static unsigned char seen[1000];
    size_t visited = 0;
    MapEntry *entry;
    size_t none = 0;
    assert_null(map_next(&map, &none));
    for (uint32_t i = 0; i < 1000; i++) {
        keys[i] = i;
        map_put(&map, &keys[i], sizeof keys[i], &seen[i]);
    }
    for (size_t i = 0; (entry = map_next(&map, &i)) != NULL; visited++)
        ++*(unsigned char *)entry->value;
    assert_int_equal(visited, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(seen[i], 1);
    map_done(&map);
}

/* Keys chosen so that they all want the same place: probing must tell them apart and wrap around.
 */
static void collisions(void **state)
{
    (void)state;
    Map map = MAP_INIT;
    enum { WANTED = 11 };
    static uint64_t same[WANTED];
    int count = 0;
    for (uint64_t i = 0; count < WANTED; i++)
        if ((hash_bytes(&i, sizeof i) & 15) == 15) /* the last place of the first table */
            same[count++] = i;
    for (int i = 0; i < WANTED; i++) {
        assert_null(map_put(&map, &same[i], sizeof same[i], &same[i]));
        for (int j = 0; j <= i; j++)
            assert_ptr_equal(map_get(&map, &same[j], sizeof same[j]), &same[j]);
    }
    assert_int_equal(map.capacity, 16);
    map_done(&map);
}

/* Against the plain truth: which of a few keys are there, in a map so small that they stand in each other's way. */
static void removing(void **state)
{
    (void)state;
    Map map = MAP_INIT;
    static const uint32_t names[11] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    bool there[11] = {false};
    uint32_t seed = 1;
    assert_null(map_remove(&map, "x", 1));
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t k = (seed >> 16) % 11;
        void *value = (void *)(uintptr_t)&names[k];
        if ((seed & 0x40000000) != 0) {
            assert_ptr_equal(map_put(&map, &names[k], sizeof names[k], value),
                             there[k] ? value : NULL);
            there[k] = true;
        } else {
            assert_ptr_equal(map_remove(&map, &names[k], sizeof names[k]), there[k] ? value : NULL);
            there[k] = false;
        }
        size_t count = 0;
        for (uint32_t n = 0; n < 11; n++) {
            count += there[n];
            assert_int_equal(map_get(&map, &names[n], sizeof names[n]) != NULL, there[n]);
        }
        assert_int_equal(map.count, count);
    }
    map_done(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_and_get_through_growth),
        cmocka_unit_test(replace_gives_the_old_value),
        cmocka_unit_test(keys_are_bytes),
        cmocka_unit_test(slot_finds_or_makes),
        cmocka_unit_test(next_visits_each_once),
        cmocka_unit_test(collisions),
        cmocka_unit_test(removing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
