/* Text without printf. See fmt.h: anybody may call, signal handlers included; nothing here calls
 * out of this file, allocates, or looks at a locale. */
#include "base/fmt.h"

#include "base/compiler.h"

/* Room for 2^64 - 1 in any base from 10 up. */
#define DIGITS_MAX 20

/* AS-safe: touches the caller's memory only. */
void ff__fmt_init(struct ff__fmt *fmt, char *text, size_t capacity)
{
    fmt->text = text;
    fmt->capacity = capacity;
    fmt->used = 0;
    fmt->truncated = false;
    text[0] = '\0';
}

/* AS-safe: touches the caller's memory only. */
void ff__fmt_char(struct ff__fmt *fmt, char c)
{
    if (fmt->used + 1 >= fmt->capacity) {
        fmt->truncated = true;
        return;
    }
    fmt->text[fmt->used++] = c;
    fmt->text[fmt->used] = '\0';
}

/* AS-safe: touches the caller's memory only. */
void ff__fmt_bytes(struct ff__fmt *fmt, const char *text, size_t length)
{
    for (size_t i = 0; i < length && !fmt->truncated; i++)
        ff__fmt_char(fmt, text[i]);
}

/* AS-safe: touches the caller's memory only. */
void ff__fmt_str(struct ff__fmt *fmt, const char *text)
{
    if (!text)
        text = "(null)";
    for (; *text != '\0' && !fmt->truncated; text++)
        ff__fmt_char(fmt, *text);
}

/* At least min_digits digits. AS-safe: touches the caller's memory only. */
static void number_write(struct ff__fmt *fmt, uint64_t value, unsigned base, unsigned min_digits)
{
    char digits[DIGITS_MAX];
    unsigned count = 0;

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0 || count < min_digits);
    while (count > 0)
        ff__fmt_char(fmt, digits[--count]);
}

/* AS-safe: touches the caller's memory only. */
void ff__fmt_u64(struct ff__fmt *fmt, uint64_t value)
{
    number_write(fmt, value, 10, /* min_digits= */ 1);
}

/* AS-safe: touches the caller's memory only. */
void ff__fmt_i64(struct ff__fmt *fmt, int64_t value)
{
    uint64_t magnitude = (uint64_t)value;

    if (value < 0) {
        ff__fmt_char(fmt, '-');
        magnitude = 0 - magnitude;
    }
    ff__fmt_u64(fmt, magnitude);
}

/* AS-safe: touches the caller's memory only. */
void ff__fmt_hex(struct ff__fmt *fmt, uint64_t value)
{
    ff__fmt_str(fmt, "0x");
    number_write(fmt, value, 16, /* min_digits= */ 1);
}

/* "3.4 us", "34 us": a decimal only below ten, cut and never rounded up. AS-safe: touches the
 * caller's memory only. */
static void scaled_write(struct ff__fmt *fmt, uint64_t value_ns, uint64_t unit_ns, const char *unit)
{
    uint64_t whole = value_ns / unit_ns;

    ff__fmt_u64(fmt, whole);
    if (whole < 10) {
        ff__fmt_char(fmt, '.');
        ff__fmt_u64(fmt, value_ns % unit_ns / (unit_ns / 10));
    }
    ff__fmt_str(fmt, unit);
}

/* "1.50 s". AS-safe: touches the caller's memory only. */
static void seconds_write(struct ff__fmt *fmt, uint64_t value_ns)
{
    ff__fmt_u64(fmt, value_ns / UINT64_C(1000000000));
    ff__fmt_char(fmt, '.');
    number_write(fmt, value_ns % UINT64_C(1000000000) / 10000000, 10, /* min_digits= */ 2);
    ff__fmt_str(fmt, " s");
}

/* "2 h 05 min". AS-safe: touches the caller's memory only. */
static void pair_write(struct ff__fmt *fmt, uint64_t small_units, uint64_t ratio, const char *large,
                       const char *small)
{
    ff__fmt_u64(fmt, small_units / ratio);
    ff__fmt_str(fmt, large);
    number_write(fmt, small_units % ratio, 10, /* min_digits= */ 2);
    ff__fmt_str(fmt, small);
}

/* AS-safe: touches the caller's memory only. */
void ff__fmt_duration(struct ff__fmt *fmt, uint64_t duration_ns)
{
    uint64_t seconds = duration_ns / UINT64_C(1000000000);

    if (duration_ns < 1000) {
        ff__fmt_u64(fmt, duration_ns);
        ff__fmt_str(fmt, " ns");
    } else if (duration_ns < 1000000) {
        scaled_write(fmt, duration_ns, 1000, " us");
    } else if (seconds == 0) {
        scaled_write(fmt, duration_ns, 1000000, " ms");
    } else if (seconds < 60) {
        seconds_write(fmt, duration_ns);
    } else if (seconds < 3600) {
        pair_write(fmt, seconds, 60, " min ", " s");
    } else if (seconds < 48 * 3600) {
        pair_write(fmt, seconds / 60, 60, " h ", " min");
    } else {
        pair_write(fmt, seconds / 3600, 24, " d ", " h");
    }
}

/* How many bytes the UTF-8 character at text takes; 0 when it is none, is over-long or a surrogate,
 * or is a control character of the second range (U+0080 to U+009F). AS-safe: stops at the first
 * wrong byte, so never reads beyond the final NUL. */
static size_t utf8_length(const char *text)
{
    const unsigned char *b = (const unsigned char *)text;
    size_t length = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;

    if (b[0] < 0xc2 || b[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) ||
        (b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f) ||
        (b[0] == 0xc2 && b[1] < 0xa0))
        return 0;
    return length;
}

/* AS-safe: touches the caller's memory only. */
void ff__fmt_safe_str(struct ff__fmt *fmt, const char *text)
{
    if (!text)
        text = "(null)";
    while (*text != '\0' && !fmt->truncated) {
        size_t length = *text >= ' ' && *text <= '~' ? 1 : utf8_length(text);

        if (length == 0) {
            ff__fmt_char(fmt, '?');
            text++;
        } else if (fmt->used + length >= fmt->capacity) {
            fmt->truncated = true; /* A character is written whole or not at all. */
        } else {
            ff__fmt_bytes(fmt, text, length);
            text += length;
        }
    }
}

static void two_digits(struct ff__fmt *fmt, uint64_t value)
{
    ff__fmt_char(fmt, (char)('0' + value / 10 % 10));
    ff__fmt_char(fmt, (char)('0' + value % 10));
}

/* The date of a day, counted in years that begin in March, so that leap days come last.
 * Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days. */
static void fmt_date(struct ff__fmt *fmt, uint64_t days_since_1970)
{
    uint64_t days = days_since_1970 + 719468; /* Since 0000-03-01. */
    uint64_t era = days / 146097, day_of_era = days % 146097;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t month_from_march = (5 * day_of_year + 2) / 153;
    uint64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;

    ff__fmt_u64(fmt, era * 400 + year_of_era + (month <= 2));
    ff__fmt_char(fmt, '-');
    two_digits(fmt, month);
    ff__fmt_char(fmt, '-');
    two_digits(fmt, day_of_year - (153 * month_from_march + 2) / 5 + 1);
}

/* AS-safe. */
void ff__fmt_utc(struct ff__fmt *fmt, uint64_t seconds)
{
    uint64_t of_day = seconds % 86400;

    fmt_date(fmt, seconds / 86400);
    ff__fmt_char(fmt, ' ');
    two_digits(fmt, of_day / 3600);
    ff__fmt_char(fmt, ':');
    two_digits(fmt, of_day / 60 % 60);
    ff__fmt_char(fmt, ':');
    two_digits(fmt, of_day % 60);
    ff__fmt_str(fmt, " UTC");
}
