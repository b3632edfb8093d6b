/* out - tables, figures, JSON, questions (out.h). */
#include "cli/out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/model/progress.h"
#include "net/json_text.h"

/* Tables ------------------------------------------------------------------------------------- */
typedef struct OutRow OutRow;
struct OutRow {
    OutRow *next;
    const char **cells;
};

struct OutTable {
    Arena *arena;
    int columns;
    const char **titles;
    bool *right;
    OutRow *first, **last;
};

OutTable *out_table_new(Arena *arena, const char *const *titles)
{
    OutTable *table = arena_new_object(arena, OutTable);
    table->arena = arena;
    while (titles[table->columns] != NULL)
        table->columns++;
    table->titles = arena_new_array(arena, const char *, table->columns);
    table->right = arena_new_array(arena, bool, table->columns);
    for (int i = 0; i < table->columns; i++) {
        table->right[i] = titles[i][0] == '>';
        table->titles[i] = arena_strdup(arena, titles[i] + table->right[i]);
    }
    table->last = &table->first;
    return table;
}

void out_table_row(OutTable *table, const char *const *cells)
{
    OutRow *row = arena_new_object(table->arena, OutRow);
    row->cells = arena_new_array(table->arena, const char *, table->columns);
    for (int i = 0; i < table->columns; i++)
        row->cells[i] = cells[i] == NULL ? "unknown" : arena_strdup(table->arena, cells[i]);
    *table->last = row;
    table->last = &row->next;
}

/* Characters, not bytes: UTF-8 continuation bytes take no place. */
static int text_width(const char *text, size_t len)
{
    int width = 0;
    for (size_t i = 0; i < len; i++)
        width += ((unsigned char)text[i] & 0xC0) != 0x80;
    return width;
}

static int cell_width(const char *cell)
{
    int widest = 0;
    for (;;) {
        size_t len = strcspn(cell, "\n");
        int width = text_width(cell, len);
        if (width > widest)
            widest = width;
        if (cell[len] == '\0')
            return widest;
        cell += len + 1;
    }
}

static const char *cell_line(const char *cell, int line, size_t *out_len)
{
    for (; line > 0; line--) {
        cell = strchr(cell, '\n');
        if (cell == NULL)
            return NULL;
        cell++;
    }
    *out_len = strcspn(cell, "\n");
    return cell;
}

static void put_blanks(Buf *out, int count)
{
    for (int i = 0; i < count; i++)
        buf_putc(out, ' ');
}

static void put_row(const OutTable *table, const char *const *cells, const int *widths, Buf *out)
{
    for (int line = 0;; line++) {
        bool any = false;
        size_t start = out->len;
        for (int i = 0; i < table->columns; i++) {
            size_t len = 0;
            const char *text = cell_line(cells[i], line, &len);
            any = any || text != NULL;
            int blanks = widths[i] - text_width(text == NULL ? "" : text, len);
            put_blanks(out, i == 0 ? 0 : 2);
            put_blanks(out, table->right[i] ? blanks : 0);
            buf_put(out, text == NULL ? "" : text, len);
            put_blanks(out, table->right[i] ? 0 : blanks);
        }
        while (out->len > start && out->data[out->len - 1] == ' ')
            out->len--;
        if (!any)
            out->len = start;
        out->data[out->len] = '\0';
        if (!any)
            return;
        buf_putc(out, '\n');
    }
}

void out_table_put(const OutTable *table, Buf *out)
{
    int *widths = arena_new_array(table->arena, int, table->columns);
    for (int i = 0; i < table->columns; i++)
        widths[i] = cell_width(table->titles[i]);
    for (const OutRow *row = table->first; row != NULL; row = row->next)
        for (int i = 0; i < table->columns; i++)
            if (cell_width(row->cells[i]) > widths[i])
                widths[i] = cell_width(row->cells[i]);
    put_row(table, table->titles, widths, out);
    for (const OutRow *row = table->first; row != NULL; row = row->next)
        put_row(table, row->cells, widths, out);
}

/* Figures ------------------------------------------------------------------------------------ */
const char *out_bytes(Arena *arena, int64_t bytes)
{
    static const char *const UNITS[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    if (bytes == PROGRESS_UNKNOWN)
        return "unknown";
    double value = (double)bytes;
    int unit = 0;
    while ((value >= 1023.95 || value <= -1023.95) && unit < 5) {
        value /= 1024;
        unit++;
    }
    return arena_printf(arena, unit == 0 ? "%.0f %s" : "%.1f %s", value, UNITS[unit]);
}

const char *out_count(Arena *arena, int64_t count)
{
    if (count == PROGRESS_UNKNOWN)
        return "unknown";
    const char *digits = arena_printf(arena, "%lld", (long long)count);
    CLEANUP_BUF Buf out = BUF_INIT;
    size_t len = strlen(digits);
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
            buf_putc(&out, ',');
        buf_putc(&out, digits[i]);
    }
    return arena_strdup(arena, buf_str(&out));
}

const char *out_duration(Arena *arena, int64_t us)
{
    char text[64];
    return us == PROGRESS_UNKNOWN
               ? "unknown"
               : arena_strdup(arena, clock_format_duration(us, text, sizeof text));
}

static void wrap_line(Buf *out, const char *text, size_t len, int indent, int width)
{
    int column = 0;
    for (size_t i = 0; i < len;) {
        size_t word = strcspn(text + i, " \n");
        if (word > len - i)
            word = len - i;
        int shown = text_width(text + i, word);
        if (column > 0 && column + 1 + shown > width) {
            buf_putc(out, '\n');
            column = 0;
        }
        if (column == 0)
            put_blanks(out, column = indent);
        else
            buf_putc(out, ' '), column++;
        buf_put(out, text + i, word);
        column += shown;
        i += word;
        i += strspn(text + i, " ");
    }
    buf_putc(out, '\n');
}

void out_wrap(Buf *out, const char *text, int indent, int width)
{
    for (;;) {
        size_t len = strcspn(text, "\n");
        wrap_line(out, text, len, indent, width);
        if (text[len] == '\0' || text[len + 1] == '\0')
            return;
        text += len + 1;
    }
}

/* stdout ------------------------------------------------------------------------------------- */
static int first_errno; /* of stdout */

static void put(const char *text, size_t len)
{
    errno = 0;
    if ((fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0) && first_errno == 0)
        first_errno = errno == 0 ? EIO : errno;
}

bool out_failed(void)
{
    return first_errno != 0;
}

bool out_lost(void)
{
    return first_errno != 0 && first_errno != EPIPE;
}

void out_text(const char *text)
{
    put(text, strlen(text));
}

void out_buf(const Buf *buf)
{
    put(buf->data, buf->len);
}

void out_printf(const char *fmt, ...)
{
    Arena *arena = arena_new(0);
    va_list ap;
    va_start(ap, fmt);
    out_text(arena_vprintf(arena, fmt, ap));
    va_end(ap);
    arena_free(arena);
}

static void put_json(const json_t *value, size_t flags)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    json_text_dump(value, flags, &text);
    buf_putc(&text, '\n');
    out_buf(&text);
}

void out_json(const json_t *value)
{
    put_json(value, JSON_TEXT_PRETTY);
}

void out_json_line(const json_t *value)
{
    put_json(value, JSON_TEXT_FLAGS);
}

bool out_interactive(void)
{
    return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
}

bool out_confirm(const char *question, const char *expected)
{
    char *line = NULL;
    size_t room = 0;
    out_text(question);
    ssize_t len = getline(&line, &room, stdin);
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        line[--len] = '\0';
    bool good = len >= 0 && strcmp(line, expected) == 0;
    free(line);
    return good;
}
