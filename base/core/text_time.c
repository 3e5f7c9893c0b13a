/* Dates as text. The calendar is computed here, not by libc: gmtime and mktime know time
 * zones, locales and static storage, none of which belongs between a Retry-After header
 * and a number. Every field is bounded before it is used, so the arithmetic cannot
 * overflow.
 *
 * Days are counted as Howard Hinnant's days_from_civil does: years start in March, so the
 * leap day is the last of its year, and 400 years (an era) have 146097 days. */
#include "base/core/text.h"


#include <string.h>

enum {
    DAY_S = 86400,
    ERA_DAYS = 146097,
    EPOCH_DAYS = 719468 /* 0000-03-01 to 1970-01-01 */
};

static const int64_t time_min_at = -62167219200; /* 0000-01-01T00:00:00Z */
static const int64_t time_max_at = 253402300799; /* 9999-12-31T23:59:59Z */

static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const day_names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

struct moment {
    unsigned year;
    unsigned month; /* 1..12 */
    unsigned day;
    unsigned hour;
    unsigned minute;
    unsigned second; /* 60 is a leap second */
};

/* A walk over NUL-terminated text with a sticky failure; it never passes the NUL. */
struct walk {
    const char *at;
    bool failed;
};

static int64_t days_from_civil(unsigned civil_year, unsigned month, unsigned day)
{
    int64_t year = (int64_t)civil_year - (month <= 2 ? 1 : 0);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year =
        (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - EPOCH_DAYS;
}

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static int moment_at(const struct moment *moment, int64_t *ret_at)
{
    if (moment->month < 1 || moment->month > 12 || moment->day < 1 ||
        moment->day > month_days(moment->year, moment->month) || moment->hour > 23 ||
        moment->minute > 59 || moment->second > 60) {
        return ERROR_SYNTAX;
    }
    *ret_at = days_from_civil(moment->year, moment->month, moment->day) * DAY_S +
              moment->hour * 3600 + moment->minute * 60 + moment->second;
    return 0;
}

/* The moment's fields; RET_WEEKDAY counts from Monday. */
static void moment_of(int64_t at, struct moment *ret_moment, unsigned *ret_weekday)
{
    if (at < time_min_at) {
        at = time_min_at;
    } else if (at > time_max_at) {
        at = time_max_at;
    }
    int64_t second = at % DAY_S;
    int64_t days = at / DAY_S + EPOCH_DAYS;
    if (second < 0) {
        second += DAY_S;
        days--;
    }
    int64_t era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS;
    int64_t day_of_era = days - era * ERA_DAYS;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                           day_of_era / (ERA_DAYS - 1)) /
                          365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    *ret_moment = (struct moment){
        .year = (unsigned)(year_of_era + era * 400 + (month <= 2 ? 1 : 0)),
        .month = (unsigned)month,
        .day = (unsigned)(day_of_year - (153 * shifted_month + 2) / 5 + 1),
        .hour = (unsigned)(second / 3600),
        .minute = (unsigned)(second / 60 % 60),
        .second = (unsigned)(second % 60),
    };
    /* 0000-03-01 was a Wednesday; an era is a whole number of weeks. */
    *ret_weekday = (unsigned)((day_of_era + 2) % 7);
}

void text_time(int64_t at, char ret_text[static TEXT_TIME_CAPACITY])
{
    struct moment moment;
    unsigned weekday = 0;
    moment_of(at, &moment, &weekday);
    text_format(ret_text, TEXT_TIME_CAPACITY, "%04u-%02u-%02uT%02u:%02u:%02uZ",
                moment.year, moment.month, moment.day, moment.hour, moment.minute,
                moment.second);
}

void text_http_date(int64_t at, char ret_text[static TEXT_TIME_CAPACITY])
{
    struct moment moment;
    unsigned weekday = 0;
    moment_of(at, &moment, &weekday);
    text_format(ret_text, TEXT_TIME_CAPACITY, "%s, %02u %s %04u %02u:%02u:%02u GMT",
                day_names[weekday], moment.day, month_names[moment.month - 1],
                moment.year, moment.hour, moment.minute, moment.second);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly COUNT digits. */
static unsigned walk_digits(struct walk *walk, unsigned count)
{
    unsigned value = 0;
    for (unsigned i = 0; i < count && !walk->failed; i++) {
        if (!is_digit(*walk->at)) {
            walk->failed = true;
            return 0;
        }
        value = value * 10 + (unsigned)(*walk->at++ - '0');
    }
    return value;
}

static void walk_literal(struct walk *walk, const char *literal)
{
    if (!walk->failed && text_starts_with(walk->at, literal)) {
        walk->at += strlen(literal);
    } else {
        walk->failed = true;
    }
}

/* One of two characters; true for the second. */
static bool walk_either(struct walk *walk, char first, char second)
{
    if (walk->failed || (*walk->at != first && *walk->at != second)) {
        walk->failed = true;
        return false;
    }
    return *walk->at++ == second;
}

/* Index of the name that stands here; the NAMES are tried in order. */
static unsigned walk_name(struct walk *walk, const char *const *names, unsigned count)
{
    for (unsigned i = 0; i < count && !walk->failed; i++) {
        if (text_starts_with(walk->at, names[i])) {
            walk->at += strlen(names[i]);
            return i;
        }
    }
    walk->failed = true;
    return 0;
}

static void walk_clock(struct walk *walk, struct moment *moment)
{
    moment->hour = walk_digits(walk, 2);
    walk_literal(walk, ":");
    moment->minute = walk_digits(walk, 2);
    walk_literal(walk, ":");
    moment->second = walk_digits(walk, 2);
}

/* "Z" or "+hh:mm" as seconds east of UTC. */
static int64_t walk_offset(struct walk *walk)
{
    if (walk->failed) {
        return 0;
    }
    if (*walk->at == 'Z' || *walk->at == 'z') {
        walk->at++;
        return 0;
    }
    bool is_west = walk_either(walk, '+', '-');
    unsigned hours = walk_digits(walk, 2);
    walk_literal(walk, ":");
    unsigned minutes = walk_digits(walk, 2);
    if (hours > 23 || minutes > 59) {
        walk->failed = true;
    }
    int64_t offset_s = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    return is_west ? -offset_s : offset_s;
}

static int walk_end(const struct walk *walk, const struct moment *moment,
                    int64_t offset_s, int64_t *ret_at)
{
    int64_t at = 0;
    if (walk->failed || *walk->at != '\0') {
        return ERROR_SYNTAX;
    }
    int error = moment_at(moment, &at);
    if (error == 0) {
        *ret_at = at - offset_s;
    }
    return error;
}

int text_time_parse(const char *text, int64_t *ret_at)
{
    struct walk walk = {.at = text};
    struct moment moment = {0};
    moment.year = walk_digits(&walk, 4);
    walk_literal(&walk, "-");
    moment.month = walk_digits(&walk, 2);
    walk_literal(&walk, "-");
    moment.day = walk_digits(&walk, 2);
    walk_either(&walk, 'T', 't'); /* RFC 3339 5.6 allows lower case */
    walk_clock(&walk, &moment);
    if (!walk.failed && *walk.at == '.') {
        walk.at++;
        walk_digits(&walk, 1);
        while (!walk.failed && is_digit(*walk.at)) {
            walk.at++;
        }
    }
    int64_t offset_s = walk_offset(&walk);
    return walk_end(&walk, &moment, offset_s, ret_at);
}

static const char *const long_day_names[] = {
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

/* RFC 9110 5.6.7: a two-digit year more than 50 years ahead is the latest past year with
 * these digits. Counted from the year this was written, not from a clock: a device without one
 * believes in 1970, and this obsolete form is gone long before the difference matters. */
static unsigned whole_year(unsigned two_digits)
{
    static const unsigned this_year = 2026;
    unsigned year = this_year - this_year % 100 + two_digits;
    return year > this_year + 50 ? year - 100 : year;
}

/* "06 Nov 1994 08:49:37 GMT", or with hyphens and a two-digit year. */
static void walk_date(struct walk *walk, bool is_rfc850, struct moment *moment)
{
    const char *separator = is_rfc850 ? "-" : " ";
    moment->day = walk_digits(walk, 2);
    walk_literal(walk, separator);
    moment->month = walk_name(walk, month_names, 12) + 1;
    walk_literal(walk, separator);
    moment->year = is_rfc850 ? whole_year(walk_digits(walk, 2)) : walk_digits(walk, 4);
    walk_literal(walk, " ");
    walk_clock(walk, moment);
    walk_literal(walk, " GMT");
}

/* "Nov  6 08:49:37 1994", as asctime writes it. */
static void walk_asctime(struct walk *walk, struct moment *moment)
{
    moment->month = walk_name(walk, month_names, 12) + 1;
    walk_literal(walk, " ");
    bool is_padded = !walk->failed && *walk->at == ' ';
    if (is_padded) {
        walk->at++;
    }
    moment->day = walk_digits(walk, is_padded ? 1 : 2);
    walk_literal(walk, " ");
    walk_clock(walk, moment);
    walk_literal(walk, " ");
    moment->year = walk_digits(walk, 4);
}

int text_http_date_parse(const char *text, int64_t *ret_at)
{
    struct moment moment = {0};
    struct walk walk = {.at = text};
    walk_name(&walk, day_names, 7);
    if (!walk.failed && *walk.at == ',') {
        walk_literal(&walk, ", ");
        walk_date(&walk, false, &moment);
    } else if (!walk.failed && *walk.at == ' ') {
        walk_literal(&walk, " ");
        walk_asctime(&walk, &moment);
    } else {
        walk = (struct walk){.at = text};
        walk_name(&walk, long_day_names, 7);
        walk_literal(&walk, ", ");
        walk_date(&walk, true, &moment);
    }
    return walk_end(&walk, &moment, 0, ret_at);
}
