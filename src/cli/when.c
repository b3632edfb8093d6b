/* when - see the header. */
#include "cli/when.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_US 1000000LL

static bool wrong(const char *text, Error *err)
{
    ERR(err, ERR_USAGE, "'%s' is no time", text);
    return err_hint(err, "Write 02:00, '2026-01-31 02:00', 2026-01-31T02:00:00Z or +30min.");
}

static bool relative(const char *text, int64_t now_us, int64_t *out_us)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } UNITS[] = {{"s", 1}, {"min", 60}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    int64_t count = 0;
    const char *p = text + 1;
    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p) && count < 1000000; p++)
        count = count * 10 + (*p - '0');
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++) {
        if (strcmp(p, UNITS[i].unit) == 0) {
            *out_us = now_us + count * UNITS[i].seconds * SECOND_US;
            return true;
        }
    }
    return false;
}

/* "Z", "+02:00", "-0530", or nothing (local). */
static bool zone(const char *p, struct tm *tm, int64_t *out_s)
{
    int hours = 0, minutes = 0, used = 0;
    if (*p == '\0') {
        tm->tm_isdst = -1;
        *out_s = (int64_t)mktime(tm);
        return *out_s != -1;
    }
    int64_t utc = (int64_t)timegm(tm);
    if (strcmp(p, "Z") == 0 || strcmp(p, "z") == 0) {
        *out_s = utc;
        return true;
    }
    if ((*p != '+' && *p != '-') || sscanf(p + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2)
        if (sscanf(p + 1, "%2d%2d%n", &hours, &minutes, &used) != 2)
            return false;
    if ((*p != '+' && *p != '-') || p[1 + used] != '\0' || hours > 15 || minutes > 59)
        return false;
    int64_t offset = hours * 3600 + minutes * 60;
    *out_s = *p == '+' ? utc - offset : utc + offset;
    return true;
}

static bool in_range(const struct tm *tm)
{
    return tm->tm_hour >= 0 && tm->tm_hour < 24 && tm->tm_min >= 0 && tm->tm_min < 60 &&
           tm->tm_sec >= 0 && tm->tm_sec < 60;
}

/* "02:00" or "02:00:30" of `tm`'s day; returns what stands behind, NULL when it is none. */
static const char *clock_time(const char *p, struct tm *tm)
{
    int used = 0;
    tm->tm_sec = 0;
    if (sscanf(p, "%2d:%2d%n", &tm->tm_hour, &tm->tm_min, &used) != 2)
        return NULL;
    p += used;
    if (*p == ':') {
        if (sscanf(p, ":%2d%n", &tm->tm_sec, &used) != 1)
            return NULL;
        p += used;
    }
    return in_range(tm) ? p : NULL;
}

static bool absolute(const char *text, int64_t now_us, int64_t *out_us)
{
    struct tm tm;
    int used = 0;
    int64_t seconds = 0;
    time_t now = (time_t)(now_us / SECOND_US);
    if (localtime_r(&now, &tm) == NULL)
        return false;
    const char *rest = clock_time(text, &tm);
    if (rest != NULL && *rest == '\0') {
        struct tm today = tm;
        if (!zone(rest, &today, &seconds))
            return false;
        if (seconds * SECOND_US <= now_us) {
            tm.tm_mday++; /* the next one; mktime knows about days without 23:00 */
            if (!zone(rest, &tm, &seconds))
                return false;
        }
        *out_us = seconds * SECOND_US;
        return true;
    }
    tm = (struct tm){0};
    if (sscanf(text, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &used) != 3 ||
        (text[used] != ' ' && text[used] != 'T'))
        return false;
    int month = tm.tm_mon, day = tm.tm_mday;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    rest = clock_time(text + used + 1, &tm);
    if (rest == NULL || month < 1 || month > 12 || day < 1 || day > 31 ||
        !zone(rest, &tm, &seconds) || (*rest == '\0' && tm.tm_mday != day))
        return false;
    *out_us = seconds * SECOND_US;
    return true;
}

bool when_parse(const char *text, int64_t now_wall_us, int64_t *out_wall_us, Error *err)
{
    int64_t at_us = 0;
    bool ok =
        text[0] == '+' ? relative(text, now_wall_us, &at_us) : absolute(text, now_wall_us, &at_us);
    if (!ok)
        return wrong(text, err);
    if (at_us <= now_wall_us && text[0] != '+')
        return ERR(err, ERR_USAGE, "'%s' is in the past", text);
    *out_wall_us = at_us;
    return true;
}

bool when_parse_past(const char *text, int64_t now_wall_us, int64_t *out_wall_us, Error *err)
{
    char day[32];
    int64_t at_us = 0;
    snprintf(day, sizeof day, "%.20s 00:00", text);
    if (strchr(text, '-') == NULL ||
        !(absolute(text, now_wall_us, &at_us) ||
          (strlen(text) == 10 && absolute(day, now_wall_us, &at_us)))) {
        ERR(err, ERR_USAGE, "'%s' is no time", text);
        return err_hint(err, "Write 1d, 12h, 30min, 2026-01-31, '2026-01-31 02:00' or "
                             "2026-01-31T02:00:00Z.");
    }
    if (at_us > now_wall_us)
        return ERR(err, ERR_USAGE, "'%s' is in the future", text);
    *out_wall_us = at_us;
    return true;
}
