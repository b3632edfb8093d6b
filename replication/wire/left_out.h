/*
 * left_out - what wal2json says of a change that it does not send.
 *
 * A row without a usable replica identity is left out by the plugin, and a notice beside the stream
 * is the only sign of it (wal2json 2.5: "no tuple identifier for UPDATE in table ...").
 */
#pragma once

#include "bascule/model/relation.h"

/* The table in whose place nothing was sent; NULL when the notice says something else, or of a table
 * that takes no part. */
Relation *left_out_relation(const Relations *rels, const char *notice);
