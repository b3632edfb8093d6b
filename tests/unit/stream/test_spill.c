/* spill: frames come back as they were or not at all; files go away; a full disk says where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stream/spill.h"

static char directory[64];
static Spill *spill;

static int setup(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    strcpy(directory, "/tmp/test_spill_XXXXXX");
    assert_non_null(mkdtemp(directory));
    spill = spill_open(directory, 1000, &err);
    assert_non_null(spill);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spill_close(spill);
    return rmdir(directory); /* fails when a file was left */
}

static SpillPlace put(const char *data, size_t len)
{
    SpillPlace place;
    Error err = ERROR_INIT;
    assert_true(spill_write(spill, data, len, &place, &err));
    assert_int_equal(place.len, len);
    return place;
}

static void frames_come_back(void **state)
{
    (void)state;
    char data[3000], back[3000];
    SpillPlace places[50];
    Error err = ERROR_INIT;
    for (size_t i = 0; i < 50; i++) {
        memset(data, (int)i, sizeof data);
        places[i] = put(data, i * 60);
    }
    assert_true(spill_segments(spill) > 10);
    for (size_t i = 0; i < 50; i++) {
        memset(data, (int)i, sizeof data);
        assert_true(spill_read(spill, &places[i], back, &err));
        assert_memory_equal(back, data, i * 60);
        spill_drop(spill, &places[i]);
    }
    assert_int_equal(spill_segments(spill), 0); /* also the one written to */
    places[0] = put("again", 5);
    assert_int_equal(spill_segments(spill), 1);
    assert_true(spill_read(spill, &places[0], back, &err));
    spill_drop(spill, &places[0]);
}

static void the_file_is_private_and_has_no_name(void **state)
{
    (void)state;
    SpillPlace place = put("secret", 6);
    struct stat st;
    assert_int_equal(fstat(spill_place_fd(&place), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_nlink, 0);
    DIR *dir = opendir(directory);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        assert_true(e->d_name[0] == '.');
    closedir(dir);
}

static void damage_is_seen(void **state)
{
    (void)state;
    char back[100];
    for (int byte = 0; byte < 16 + 10; byte++) {
        SpillPlace place = put("0123456789", 10);
        Error err = ERROR_INIT;
        char c;
        int fd = spill_place_fd(&place);
        assert_int_equal(pread(fd, &c, 1, place.offset + byte), 1);
        c ^= 1;
        assert_int_equal(pwrite(fd, &c, 1, place.offset + byte), 1);
        assert_false(spill_read(spill, &place, back, &err));
        assert_int_equal(err.cls, ERR_IO);
        assert_non_null(strstr(err.message, directory));
        spill_drop(spill, &place);
    }
    SpillPlace place = put("0123456789", 10);
    Error err = ERROR_INIT;
    assert_int_equal(ftruncate(spill_place_fd(&place), place.offset + 20), 0);
    assert_false(spill_read(spill, &place, back, &err));
    assert_int_equal(err.cls, ERR_IO);
    spill_drop(spill, &place);
}

/* The file size limit fails a write in the middle, as a full disk does. */
static void a_full_disk_names_the_directory(void **state)
{
    (void)state;
    struct rlimit before, limit;
    static char data[100000];
    char back[10];
    SpillPlace first = put("before", 6), failed, last;
    Error err = ERROR_INIT;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 50000;
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_false(spill_write(spill, data, sizeof data, &failed, &err));
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(err.cls, ERR_DISK_FULL);
    assert_non_null(strstr(err.message, directory));
    assert_non_null(strstr(err.hint, "stream.spill_dir"));
    /* what was there is there, and what follows finds its place */
    last = put("after", 5);
    assert_true(spill_read(spill, &first, back, &err));
    assert_memory_equal(back, "before", 6);
    assert_true(spill_read(spill, &last, back, &err));
    assert_memory_equal(back, "after", 5);
}

static void a_wrong_directory_is_refused_at_once(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    char path[200];
    assert_null(spill_open("/dev/null/x", 1000, &err));
    assert_int_equal(err.cls, ERR_IO);
    assert_non_null(strstr(err.message, "/dev/null/x"));
    err = ERROR_INIT;
    assert_null(spill_open("/proc/bascule", 1000, &err));
    snprintf(path, sizeof path, "%s/a/b", directory);
    Spill *deep = spill_open(path, 1000, &err);
    assert_non_null(deep);
    spill_close(deep);
    assert_int_equal(rmdir(path), 0);
    snprintf(path, sizeof path, "%s/a", directory);
    assert_int_equal(rmdir(path), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_come_back),
        TEST(the_file_is_private_and_has_no_name),
        TEST(damage_is_seen),
        TEST(a_full_disk_names_the_directory),
        TEST(a_wrong_directory_is_refused_at_once),
    };
    return cmocka_run_group_tests_name("spill", tests, NULL, NULL);
}
