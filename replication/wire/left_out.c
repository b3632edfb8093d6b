/* left_out - see the header. */
#include "wire/left_out.h"

#include <stdio.h>
#include <string.h>

Relation *left_out_relation(const Relations *rels, const char *notice)
{
    static const char *const SIGNS[] = {"no tuple identifier for", "no old tuple data for",
                                        "no tuple data for"};
    bool left_out = false;
    for (size_t i = 0; i < sizeof SIGNS / sizeof SIGNS[0]; i++)
        left_out = left_out || strstr(notice, SIGNS[i]) != NULL;
    for (int i = 0; left_out && i < rels->count; i++) {
        Relation *rel = rels->all[i];
        char text[512];
        snprintf(text, sizeof text, "table \"%s\".\"%s\"", rel->schema, rel->name);
        const char *at = strstr(notice, text);
        if (at != NULL && at[strlen(text)] == '\0')
            return rel;
    }
    return NULL;
}
