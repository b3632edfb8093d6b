/*
 * status_text - the status JSON as one screen for people; the client renders what it got over HTTP.
 * A key that is missing or null is "unknown", never 0.
 */
#pragma once

#include <jansson.h>

#include "bascule/base/buf.h"

typedef struct StatusTextStyle {
    int width;      /* columns; 0: 80 */
    int max_tables; /* the most active ones; 0: 12, -1: all */
    bool color;     /* ANSI colours */
} StatusTextStyle;

/* Appends lines, each ending with \n and none wider than the width. */
void status_text(const json_t *status, const StatusTextStyle *style, Buf *out);
/* The few lines that `run` keeps on the terminal. */
void status_text_short(const json_t *status, const StatusTextStyle *style, Buf *out);
