/*
 * json - see json.h. Strings are scanned eight bytes at a time; the slow path starts at the first
 * backslash, so that a string without escapes is never written.
 */
#include "wire/json.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define ONES  0x0101010101010101ULL
#define HIGHS 0x8080808080808080ULL

bool json_error(const Json *json, const char *expected, Error *err)
{
    return ERR(err, ERR_DECODE, "message is damaged at byte %td of %td: expected %s",
               json->p - json->start, json->end - json->start, expected);
}

bool json_error_char(const Json *json, char expected, Error *err)
{
    char text[] = {'\'', expected, '\'', '\0'};
    return json_error(json, text, err);
}

bool json_end(Json *json, Error *err)
{
    json_skip_space(json);
    return json->p == json->end || json_error(json, "the end", err);
}

static inline uint64_t has_byte(uint64_t word, unsigned char byte)
{
    uint64_t x = word ^ (ONES * byte);
    return (x - ONES) & ~x & HIGHS;
}

/* First quote or backslash at or behind p, or end. */
static inline char *scan_string(char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        word = le64toh(word);
        uint64_t hits = has_byte(word, '"') | has_byte(word, '\\');
        if (hits != 0) /* the lowest hit is a true one */
            return p + (__builtin_ctzll(hits) >> 3);
        p += 8;
    }
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

static bool hex4(Json *json, uint32_t *out_code, Error *err)
{
    uint32_t code = 0;
    if (json->end - json->p < 4)
        return json_error(json, "four hex digits", err);
    for (int i = 0; i < 4; i++) {
        char c = json->p[i];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (uint32_t)((c | 32) - 'a') + 10;
        else
            return json_error(json, "four hex digits", err);
        code = code << 4 | digit;
    }
    json->p += 4;
    *out_code = code;
    return true;
}

/* Behind backslash u. A surrogate pair is 12 characters and becomes 4 bytes: it always fits. */
static bool unescape_unicode(Json *json, char **out, Error *err)
{
    uint32_t code = 0, low = 0;
    char *w = *out;
    if (!hex4(json, &code, err))
        return false;
    if (code >= 0xD800 && code < 0xDC00) {
        if (json->end - json->p < 2 || json->p[0] != '\\' || json->p[1] != 'u')
            return json_error(json, "the second half of a surrogate pair", err);
        json->p += 2;
        if (!hex4(json, &low, err))
            return false;
        if (low < 0xDC00 || low > 0xDFFF)
            return json_error(json, "the second half of a surrogate pair", err);
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code <= 0xDFFF) {
        return json_error(json, "the first half of a surrogate pair", err);
    } else if (code == 0) {
        return json_error(json, "a character other than NUL", err);
    }
    if (code < 0x80) {
        *w++ = (char)code;
    } else if (code < 0x800) {
        *w++ = (char)(0xC0 | code >> 6);
        *w++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *w++ = (char)(0xE0 | code >> 12);
        *w++ = (char)(0x80 | (code >> 6 & 0x3F));
        *w++ = (char)(0x80 | (code & 0x3F));
    } else {
        *w++ = (char)(0xF0 | code >> 18);
        *w++ = (char)(0x80 | (code >> 12 & 0x3F));
        *w++ = (char)(0x80 | (code >> 6 & 0x3F));
        *w++ = (char)(0x80 | (code & 0x3F));
    }
    *out = w;
    return true;
}

/* At a backslash. */
static bool unescape(Json *json, char **out, Error *err)
{
    if (json->end - json->p < 2)
        return json_error(json, "an escaped character", err);
    char c = json->p[1];
    json->p += 2;
    switch (c) {
    case '"':
    case '\\':
    case '/':
        break;
    case 'b':
        c = '\b';
        break;
    case 'f':
        c = '\f';
        break;
    case 'n':
        c = '\n';
        break;
    case 'r':
        c = '\r';
        break;
    case 't':
        c = '\t';
        break;
    case 'u':
        return unescape_unicode(json, out, err);
    default:
        json->p--;
        return json_error(json, "a known escape", err);
    }
    *(*out)++ = c;
    return true;
}

bool json_quoted(Json *json, JsonText *out_text, Error *err)
{
    if (!json_expect(json, '"', err))
        return false;
    char *first = json->p, *w;
    json->p = w = scan_string(json->p, json->end);
    while (json->p < json->end && *json->p == '\\') {
        if (!unescape(json, &w, err))
            return false;
        char *stop = scan_string(json->p, json->end);
        size_t plain = (size_t)(stop - json->p);
        memmove(w, json->p, plain);
        w += plain;
        json->p = stop;
    }
    if (json->p == json->end)
        return json_error(json, "the end of a string", err);
    json->p++;
    *out_text = (JsonText){first, (size_t)(w - first)};
    return true;
}

static bool skip_string(Json *json, Error *err)
{
    json->p++;
    while ((json->p = scan_string(json->p, json->end)) < json->end) {
        if (*json->p == '"') {
            json->p++;
            return true;
        }
        if (json->end - json->p < 2)
            break;
        json->p += 2;
    }
    return json_error(json, "the end of a string", err);
}

static bool literal(Json *json, const char *word, size_t len, Error *err)
{
    if ((size_t)(json->end - json->p) < len || memcmp(json->p, word, len) != 0)
        return json_error(json, "a value", err);
    json->p += len;
    return true;
}

static bool number(Json *json, JsonText *out_text, Error *err)
{
    char *first = json->p;
    bool digit = false;
    for (; json->p < json->end; json->p++) {
        char c = *json->p;
        if (c >= '0' && c <= '9')
            digit = true;
        else if (c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E')
            break;
    }
    /* At the end of the data more digits could follow: a value is always inside something. */
    if (!digit || json->p == json->end)
        return json_error(json, "a number", err);
    *out_text = (JsonText){first, (size_t)(json->p - first)};
    return true;
}

bool json_scalar(Json *json, JsonKind *out_kind, JsonText *out_text, Error *err)
{
    json_skip_space(json);
    *out_text = (JsonText){json->p, 0};
    switch (json->p < json->end ? *json->p : '\0') {
    case '"':
        *out_kind = JSON_STRING;
        return json_quoted(json, out_text, err);
    case 'n':
        *out_kind = JSON_NULL;
        return literal(json, "null", 4, err);
    case 't':
        *out_kind = JSON_TRUE;
        return literal(json, "true", 4, err);
    case 'f':
        *out_kind = JSON_FALSE;
        return literal(json, "false", 5, err);
    default:
        *out_kind = JSON_NUMBER;
        return number(json, out_text, err);
    }
}

/* One value that is not a container, or the opening of one. */
static bool skip_one(Json *json, Error *err)
{
    JsonKind kind;
    JsonText text;
    if (*json->p == '"')
        return skip_string(json, err);
    return json_scalar(json, &kind, &text, err);
}

/* Containers are matched by kind, and what stands between is scanned as tokens: enough to find the
 * end of a value that nobody asked for. */
bool json_skip(Json *json, Error *err)
{
    char open[JSON_MAX_DEPTH];
    int depth = 0;
    do {
        json_skip_space(json);
        if (json->p == json->end)
            return json_error(json, "a value", err);
        char c = *json->p;
        if (c == '{' || c == '[') {
            if (depth == JSON_MAX_DEPTH)
                return json_error(json, "less depth", err);
            open[depth++] = c == '{' ? '}' : ']';
            json->p++;
        } else if (depth > 0 && c == open[depth - 1]) {
            depth--;
            json->p++;
        } else if (depth > 0 && (c == ',' || c == ':')) {
            json->p++;
        } else if (!skip_one(json, err)) {
            return false;
        }
    } while (depth > 0);
    return true;
}
