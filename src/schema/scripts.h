/*
 * scripts - the folder of numbered SQL scripts: which there are, in which order, and what is in them.
 *
 * Names    001_accounts.sql, V1__accounts.sql, V1.2__more.sql: the number is the revision, leading
 *          zeros do not count. A .sql file with another name is refused, other files are not looked at.
 * Marker   first line "-- bascule: no-transaction": its statements are sent one by one, each by itself.
 * Errors   CONFIG, with the file's name and the line.
 */
#pragma once

#include <stdint.h>

#include "bascule/base/sha256.h"
#include "schema/sqlsplit.h"

#define REVISION_PARTS 4
/* "18 digits.18 digits.…" */
#define REVISION_SIZE 80

/* 1.2 is {1, 2}, 2 parts; 1 and 1.0 are the same. */
typedef struct Revision {
    int64_t parts[REVISION_PARTS];
    char text[REVISION_SIZE]; /* without leading zeros: "1", "1.2" */
} Revision;

typedef struct Script {
    Revision revision;
    const char *name; /* of the file */
    char sha256[SHA256_HEX_SIZE];
    bool transaction; /* one for all of it */
    SqlSplit statements;
} Script;

typedef struct Scripts {
    const char *directory;
    Script *all; /* by revision */
    int count;
} Scripts;

/* Reads and divides all of them; refuses two with one revision, and an empty folder. */
MUST_CHECK bool scripts_read(Arena *arena, const char *directory, Scripts *out_scripts, Error *err);
const Script *scripts_find(const Scripts *scripts, const Revision *revision); /* NULL: none */

/* "001", "V1.2", "1_2": false when it is none. */
bool revision_parse(const char *text, size_t len, Revision *out_revision);
int revision_compare(const Revision *a, const Revision *b);
/* The revision that a file's name begins with; false: it is not named so. */
bool revision_of_file(const char *name, Revision *out_revision);
