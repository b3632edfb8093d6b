/*
 * yaml_tree - a YAML document as nodes that know where they stand.
 *
 * Refuses  what a configuration has no use for and what surprises: duplicate keys (with both
 *          places), anchors and aliases, tags, a second document, keys that are no plain words,
 *          deep nesting.
 * Keeps    scalars as text: nothing is a number or a boolean by its looks.
 * Errors   CONFIG, "file:line:col: ..."
 */
#pragma once

#include "bascule/base/arena.h"

typedef enum YamlKind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP } YamlKind;

typedef struct YamlNode YamlNode;

typedef struct YamlPair {
    const char *key;
    int line, column; /* of the key, from 1 */
    YamlNode *value;
} YamlPair;

struct YamlNode {
    YamlKind kind;
    int line, column; /* from 1 */
    const char *text; /* SCALAR */
    YamlNode **items; /* LIST */
    YamlPair *pairs;  /* MAP */
    int count;
};

/* `name` is the file as messages call it. An empty document is an empty map. */
MUST_CHECK bool yaml_tree_parse(Arena *arena, const char *name, const char *text, size_t len,
                                YamlNode **out_root, Error *err);
