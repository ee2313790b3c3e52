#include "databricks/record_value.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIGITS_MAX 512 /* of a number; more are refused */
#define MICROS_PER_SECOND INT64_C(1000000)
#define SECONDS_PER_DAY INT64_C(86400)

/* digits * 10^exponent, with no zero at either end of digits; none at all is zero. */
struct number {
	bool negative;
	char digits[DIGITS_MAX];
	int count;
	int64_t exponent;
};

static struct text
trim(struct text s)
{
	while (s.len > 0 && strchr(" \t", s.data[0]) != NULL)
		s = text_span(s.data + 1, s.len - 1);
	while (s.len > 0 && strchr(" \t", s.data[s.len - 1]) != NULL)
		s.len--;
	return s;
}

static int
refuse(struct text s, struct error *e, const char *why)
{
	char clean[80];

	return error_set(e, ERR_REFUSED, "'%s' %s", text_clean(clean, sizeof(clean), s), why);
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* -1: "1e", "e5", "1e5x". */
static int
read_exponent(struct text s, size_t i, int64_t *exponent)
{
	bool negative = false;
	int64_t v = 0;

	if (i < s.len && (s.data[i] == '+' || s.data[i] == '-'))
		negative = s.data[i++] == '-';
	if (i == s.len)
		return -1;
	for (; i < s.len; i++) {
		if (!is_digit(s.data[i]))
			return -1;
		if (v < 1000000)
			v = v * 10 + (s.data[i] - '0');
	}
	*exponent += negative ? -v : v;
	return 0;
}

static int
read_number(struct text s, struct number *n, struct error *e)
{
	bool point = false, any = false;
	size_t i = 0;

	*n = (struct number){.count = 0};
	if (i < s.len && (s.data[i] == '-' || s.data[i] == '+'))
		n->negative = s.data[i++] == '-';
	for (; i < s.len && (is_digit(s.data[i]) || (s.data[i] == '.' && !point)); i++) {
		if (s.data[i] == '.') {
			point = true;
			continue;
		}
		any = true;
		n->exponent -= point;
		if (s.data[i] == '0' && n->count == 0)
			continue;
		if (n->count == DIGITS_MAX)
			return refuse(s, e, "has too many digits");
		n->digits[n->count++] = s.data[i];
	}
	if (!any || (i < s.len && s.data[i] != 'e' && s.data[i] != 'E') ||
	    (i < s.len && read_exponent(s, i + 1, &n->exponent) != 0))
		return refuse(s, e, "is no number");
	while (n->count > 0 && n->digits[n->count - 1] == '0') {
		n->count--;
		n->exponent++;
	}
	if (n->count == 0)
		n->exponent = 0;
	return 0;
}

int
record_read_integer(struct text s, int64_t min, int64_t max, int64_t *out, struct error *e)
{
	struct number n;
	uint64_t v = 0, limit;

	s = trim(s);
	if (read_number(s, &n, e) != 0)
		return -1;
	if (n.exponent < 0)
		return refuse(s, e, "is no whole number");
	limit = n.negative ? (uint64_t)0 - (uint64_t)min : (uint64_t)max;
	if (n.count + n.exponent > 19)
		return refuse(s, e, "is out of range");
	for (int i = 0; i < n.count + (int)n.exponent; i++)
		v = v * 10 + (uint64_t)(i < n.count ? n.digits[i] - '0' : 0);
	if (v > limit)
		return refuse(s, e, "is out of range");
	*out = n.negative ? (int64_t)((uint64_t)0 - v) : (int64_t)v;
	return 0;
}

int
record_read_decimal(struct text s, int precision, int scale, struct buffer *out, struct error *e)
{
	struct number n;
	int64_t whole;

	s = trim(s);
	if (read_number(s, &n, e) != 0)
		return -1;
	whole = n.count + n.exponent; /* digits before the point, negative for zeros behind it */
	if (n.count > 0 && whole > precision - scale)
		return refuse(s, e, "has too many digits before the point");
	if (n.exponent < -scale)
		return refuse(s, e, "has too many digits behind the point");
	if (n.negative && n.count > 0)
		buffer_append_byte(out, '-');
	if (whole <= 0)
		buffer_append_byte(out, '0');
	for (int64_t i = 0; i < whole; i++)
		buffer_append_byte(out, (uint8_t)(i < n.count ? n.digits[i] : '0'));
	if (n.exponent >= 0)
		return 0;
	buffer_append_byte(out, '.');
	for (int64_t i = whole; i < 0; i++)
		buffer_append_byte(out, '0');
	for (int64_t i = whole > 0 ? whole : 0; i < n.count; i++)
		buffer_append_byte(out, (uint8_t)n.digits[i]);
	return 0;
}

int
record_read_real(struct text s, bool single, double *out, struct error *e)
{
	static const struct {
		const char *word;
		double value;
	} words[] = {{"nan", NAN}, {"infinity", INFINITY}, {"inf", INFINITY}, {"+infinity", INFINITY},
	    {"+inf", INFINITY}, {"-infinity", -INFINITY}, {"-inf", -INFINITY}};
	struct number n;
	char *copy;

	s = trim(s);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (s.len == strlen(words[i].word) && strncasecmp(s.data, words[i].word, s.len) == 0) {
			*out = words[i].value;
			return 0;
		}
	if (read_number(s, &n, e) != 0)
		return -1;
	copy = text_dup(s);
	*out = strtod(copy, NULL);
	free(copy);
	if (isinf(*out) || (single && fabs(*out) > (double)FLT_MAX))
		return refuse(s, e, "is out of range");
	return 0;
}

int
record_read_boolean(struct text s, bool *out, struct error *e)
{
	s = trim(s);
	if (s.len == 4 && strncasecmp(s.data, "true", 4) == 0)
		*out = true;
	else if (s.len == 5 && strncasecmp(s.data, "false", 5) == 0)
		*out = false;
	else
		return refuse(s, e, "is neither true nor false");
	return 0;
}

/* ---- time */

static int
read_digits(struct text s, size_t *at, int least, int most, int *out)
{
	int n = 0;

	*out = 0;
	for (; n < most && *at < s.len && is_digit(s.data[*at]); n++)
		*out = *out * 10 + (s.data[(*at)++] - '0');
	return n >= least ? 0 : -1;
}

static bool
take(struct text s, size_t *at, const char *any)
{
	if (*at >= s.len || s.data[*at] == '\0' || strchr(any, s.data[*at]) == NULL)
		return false;
	(*at)++;
	return true;
}

static int
days_in(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar, year 1 … 9999. */
static int64_t
count_days(int year, int month, int day)
{
	/* years that begin in March put the leap day last */
	int64_t y = year - (month <= 2), era = y / 400, of_era = y % 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int
read_date(struct text s, size_t *at, int64_t *days)
{
	int year, month, day;

	if (read_digits(s, at, 4, 4, &year) != 0 || !take(s, at, "-") || read_digits(s, at, 1, 2, &month) != 0 ||
	    !take(s, at, "-") || read_digits(s, at, 1, 2, &day) != 0 || year < 1 || month < 1 || month > 12 ||
	    day < 1 || day > days_in(year, month))
		return -1;
	*days = count_days(year, month, day);
	return 0;
}

int
record_read_date(struct text s, int64_t *days, struct error *e)
{
	size_t at = 0;

	s = trim(s);
	if (read_date(s, &at, days) != 0 || at != s.len)
		return refuse(s, e, "is no date as 2026-11-01");
	return 0;
}

/* Behind hours and minutes: ":30.123456789". */
static int
read_seconds(struct text s, size_t *at, int *seconds, int64_t *micros)
{
	int64_t unit = MICROS_PER_SECOND / 10;
	int digit;

	if (!take(s, at, ":"))
		return 0;
	if (read_digits(s, at, 2, 2, seconds) != 0 || *seconds > 59)
		return -1;
	if (!take(s, at, ".,"))
		return 0;
	if (*at >= s.len || !is_digit(s.data[*at]))
		return -1;
	for (; read_digits(s, at, 1, 1, &digit) == 0; unit /= 10)
		*micros += digit * unit;
	return 0;
}

/* "Z", "UTC", "+02:00", "+0200", "+02", or nothing at all. */
static int
read_offset(struct text s, size_t *at, bool *given, int64_t *seconds)
{
	int hours, minutes = 0;
	bool negative;

	if (*at + 1 < s.len && s.data[*at] == ' ')
		(*at)++;
	*given = *at < s.len;
	if (!*given || take(s, at, "Zz"))
		return 0;
	if (s.len - *at == 3 && memcmp(s.data + *at, "UTC", 3) == 0) {
		*at += 3;
		return 0;
	}
	negative = s.data[*at] == '-';
	if (!take(s, at, "+-") || read_digits(s, at, 2, 2, &hours) != 0 || hours > 18)
		return -1;
	if (*at < s.len) {
		take(s, at, ":");
		if (read_digits(s, at, 2, 2, &minutes) != 0 || minutes > 59)
			return -1;
	}
	*seconds = (hours * 3600 + minutes * 60) * (negative ? -1 : 1);
	return 0;
}

int
record_read_timestamp(struct text s, bool zoned, int64_t *micros, struct error *e)
{
	int hours = 0, minutes = 0, seconds = 0;
	int64_t days, fraction = 0, offset = 0;
	bool given = false;
	size_t at = 0;

	s = trim(s);
	if (read_date(s, &at, &days) != 0)
		goto malformed;
	if (at < s.len) {
		if (!take(s, &at, "Tt ") || read_digits(s, &at, 2, 2, &hours) != 0 || hours > 23 || !take(s, &at, ":") ||
		    read_digits(s, &at, 2, 2, &minutes) != 0 || minutes > 59 ||
		    read_seconds(s, &at, &seconds, &fraction) != 0 || read_offset(s, &at, &given, &offset) != 0 ||
		    at != s.len)
			goto malformed;
	}
	if (given && !zoned)
		return refuse(s, e, "has an offset, and a TIMESTAMP_NTZ holds none");
	*micros = (days * SECONDS_PER_DAY + hours * 3600 + minutes * 60 + seconds - offset) * MICROS_PER_SECOND + fraction;
	return 0;
malformed:
	return refuse(s, e, "is no time as 2026-11-01T10:00:00Z");
}

int
record_scale_time(int64_t number, enum record_unit unit, int64_t *micros, struct error *e)
{
	int64_t factor = unit == RECORD_SECONDS ? MICROS_PER_SECOND : unit == RECORD_MILLIS ? 1000 : 1;

	if (unit == RECORD_NANOS) {
		*micros = number / 1000 - (number % 1000 < 0);
		return 0;
	}
	if (number > INT64_MAX / factor || number < INT64_MIN / factor)
		return error_set(e, ERR_REFUSED, "the time %" PRId64 " is out of range", number);
	*micros = number * factor;
	return 0;
}
