/*
 * names - names of target tables as two text[] parameters, pairwise.
 */
#pragma once

#include "bascule/base/buf.h"
#include "bascule/model/relation.h"

typedef struct TargetNames {
    Buf schemas, tables; /* array literals */
    int count;
} TargetNames;

#define TARGET_NAMES_INIT ((TargetNames){BUF_INIT, BUF_INIT, 0})

void names_add(TargetNames *names, const Relation *rel);
void names_end(TargetNames *names); /* after the last one */
void names_done(TargetNames *names);
