/* names - see the header. */
#include "load/names.h"

/* An element of an array literal, always quoted. */
static void put_element(Buf *array, bool first, const char *text)
{
    buf_puts(array, first ? "{\"" : ",\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buf_putc(array, '\\');
        buf_putc(array, *text);
    }
    buf_putc(array, '"');
}

void names_add(TargetNames *names, const Relation *rel)
{
    put_element(&names->schemas, names->count == 0, rel->target_schema);
    put_element(&names->tables, names->count == 0, rel->target_name);
    names->count++;
}

void names_end(TargetNames *names)
{
    buf_puts(&names->schemas, names->count == 0 ? "{}" : "}");
    buf_puts(&names->tables, names->count == 0 ? "{}" : "}");
}

void names_done(TargetNames *names)
{
    buf_done(&names->schemas);
    buf_done(&names->tables);
}
