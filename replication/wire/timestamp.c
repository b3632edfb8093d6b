#include "wire/timestamp.h"

typedef struct Text {
    const char *p, *end;
} Text;

static bool digits(Text *t, int min, int max, int64_t *out)
{
    int64_t v = 0;
    int n = 0;
    while (n < max && t->p < t->end && *t->p >= '0' && *t->p <= '9') {
        v = v * 10 + (*t->p++ - '0');
        n++;
    }
    *out = v;
    return n >= min;
}

static bool next(Text *t, char c)
{
    if (t->p == t->end || *t->p != c)
        return false;
    t->p++;
    return true;
}

static int64_t fraction_us(Text *t)
{
    int64_t us = 0, unit = 100000;
    if (!next(t, '.'))
        return 0;
    while (t->p < t->end && *t->p >= '0' && *t->p <= '9') {
        us += (*t->p++ - '0') * unit;
        unit /= 10;
    }
    return us;
}

static bool zone_seconds(Text *t, int64_t *out_seconds)
{
    int64_t hours = 0, minutes = 0, seconds = 0, sign = 1;
    if (next(t, '-'))
        sign = -1;
    else if (!next(t, '+'))
        return false;
    if (!digits(t, 2, 2, &hours) || (next(t, ':') && !digits(t, 2, 2, &minutes)) ||
        (next(t, ':') && !digits(t, 2, 2, &seconds)))
        return false;
    *out_seconds = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar; years start in March here. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    if (month <= 2)
        year--;
    int64_t era = year / 400, year_of_era = year % 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

bool timestamp_parse(const char *text, size_t len, int64_t *out_wall_us)
{
    Text t = {text, text + len};
    int64_t year, month, day, hour, minute, second, us, zone;
    if (!digits(&t, 4, 5, &year) || !next(&t, '-') || !digits(&t, 2, 2, &month) || !next(&t, '-') ||
        !digits(&t, 2, 2, &day) || !next(&t, ' ') || !digits(&t, 2, 2, &hour) || !next(&t, ':') ||
        !digits(&t, 2, 2, &minute) || !next(&t, ':') || !digits(&t, 2, 2, &second))
        return false;
    us = fraction_us(&t);
    if (!zone_seconds(&t, &zone) || t.p != t.end || month < 1 || month > 12)
        return false;
    int64_t seconds =
        days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
    *out_wall_us = seconds * 1000000 + us;
    return true;
}
