#include "emulator/lakehouse_text.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"

#define US_PER_DAY (INT64_C(86400) * 1000000)
#define DECIMAL_DIGITS 38

static bool
text_special(struct buffer *out, double v)
{
	if (!isnan(v) && !isinf(v))
		return false;
	buffer_append_text(out, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
	return true;
}

void
lake_text_double(struct buffer *out, double v)
{
	if (!text_special(out, v))
		json_text_double(out, v);
}

void
lake_text_float(struct buffer *out, float v)
{
	char digits[40];

	if (text_special(out, v))
		return;
	for (int precision = 6; precision <= 9; precision++) {
		snprintf(digits, sizeof(digits), "%.*g", precision, (double)v);
		if (strtof(digits, NULL) == v)
			break;
	}
	buffer_append_text(out, digits);
	if (strpbrk(digits, ".e") == NULL)
		buffer_append_text(out, ".0");
}

/* Adds one to the last of count digits; true when it carried out of the first. */
static bool
increment(char *digits, int count)
{
	for (int i = count - 1; i >= 0; i--) {
		if (digits[i] != '9') {
			digits[i]++;
			return false;
		}
		digits[i] = '0';
	}
	return true;
}

bool
lake_text_decimal(struct text in, int precision, int scale, bool round, struct buffer *out)
{
	char digits[2 * DECIMAL_DIGITS + 4];
	const char *p = in.data, *end = in.data + in.len;
	bool negative = false, point = false, any = false, nonzero = false;
	int count = 0, decimals = 0, keep, exponent = 0;

	if (p < end && (*p == '-' || *p == '+'))
		negative = *p++ == '-';
	for (; p < end && (isdigit((unsigned char)*p) || (*p == '.' && !point)); p++) {
		if (*p == '.') {
			point = true;
			continue;
		}
		any = true;
		decimals += point;
		if (count == 0 && *p == '0')
			continue;
		if (count == 2 * DECIMAL_DIGITS)
			return false;
		digits[count++] = *p;
	}
	if (any && p < end && (*p == 'e' || *p == 'E')) {
		bool minus = p + 1 < end && p[1] == '-';

		p += p + 1 < end && (p[1] == '-' || p[1] == '+') ? 2 : 1;
		if (p == end)
			return false;
		for (; p < end && isdigit((unsigned char)*p) && exponent < 1000; p++)
			exponent = exponent * 10 + (*p - '0');
		exponent = minus ? -exponent : exponent;
	}
	if (!any || p != end)
		return false;
	/* the value is digits × 10^-(decimals - exponent); keep digits so that scale decimals remain */
	keep = count - (decimals - exponent) + scale;
	if (count == 0)
		keep = 0;
	if (keep > DECIMAL_DIGITS || keep > precision)
		return false;
	if (keep < count) {
		int from = keep < 0 ? 0 : keep;
		bool up = keep >= 0 && digits[from] >= '5';

		for (int i = from; i < count; i++)
			nonzero |= digits[i] != '0';
		if (nonzero && !round)
			return false;
		if (up && increment(digits, from)) {
			memmove(digits + 1, digits, (size_t)from);
			digits[0] = '1';
			from++;
		}
		keep = from;
		if (keep > precision)
			return false;
	} else {
		memset(digits + count, '0', (size_t)(keep - count));
	}
	nonzero = false;
	for (int i = 0; i < keep; i++)
		nonzero |= digits[i] != '0';
	if (negative && nonzero)
		buffer_append_byte(out, '-');
	if (keep <= scale)
		buffer_append_byte(out, '0');
	else
		buffer_append(out, digits, (size_t)(keep - scale));
	if (scale > 0) {
		buffer_append_byte(out, '.');
		for (int i = keep; i < scale; i++)
			buffer_append_byte(out, '0');
		buffer_append(out, digits + (keep > scale ? keep - scale : 0), (size_t)(keep < scale ? keep : scale));
	}
	return true;
}

/* Proleptic Gregorian calendar, days since 1970-01-01. */
static void
civil(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t in_era = z - era * 146097;
	int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * y + y / 4 - y / 100), m = (5 * in_year + 2) / 153;

	*day = (int)(in_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = y + era * 400 + (*month <= 2);
}

static int64_t
days_of(int64_t year, int month, int day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, in_era = y - era * 400;
	int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

void
lake_text_date(struct buffer *out, int64_t days)
{
	int64_t year;
	int month, day;

	civil(days, &year, &month, &day);
	buffer_append_format(out, "%s%04lld-%02d-%02d", year < 0 ? "-" : "", (long long)(year < 0 ? -year : year), month,
	    day);
}

void
lake_text_timestamp(struct buffer *out, int64_t us, bool zone)
{
	int64_t days = us / US_PER_DAY, rest = us % US_PER_DAY;
	int seconds, micros;

	if (rest < 0) {
		days--;
		rest += US_PER_DAY;
	}
	seconds = (int)(rest / 1000000);
	micros = (int)(rest % 1000000);
	lake_text_date(out, days);
	buffer_append_format(out, "T%02d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
	if (micros % 1000 != 0)
		buffer_append_format(out, ".%06d", micros);
	else
		buffer_append_format(out, ".%03d", micros / 1000);
	buffer_append_text(out, zone ? "Z" : "");
}

/* Up to max digits at *p; -1 when there is none. */
static int
number(const char **p, const char *end, int max)
{
	int v = 0, n = 0;

	for (; *p < end && n < max && isdigit((unsigned char)**p); (*p)++, n++)
		v = v * 10 + (**p - '0');
	return n == 0 ? -1 : v;
}

static bool
take(const char **p, const char *end, char c)
{
	if (*p == end || **p != c)
		return false;
	(*p)++;
	return true;
}

static bool
parse_day(const char **p, const char *end, int64_t *days)
{
	bool negative = take(p, end, '-');
	int year = number(p, end, 7), month = 1, day = 1;
	static const int length[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (year < 0)
		return false;
	if (take(p, end, '-')) {
		month = number(p, end, 2);
		if (take(p, end, '-'))
			day = number(p, end, 2);
	}
	if (month < 1 || month > 12 || day < 1 || day > length[month - 1] ||
	    (month == 2 && day == 29 && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0))))
		return false;
	*days = days_of(negative ? -year : year, month, day);
	return true;
}

static bool
parse_zone(const char **p, const char *end, int64_t *us)
{
	bool east;
	int hours, minutes = 0;

	if (take(p, end, 'Z') || *p == end)
		return *p == end;
	east = take(p, end, '+');
	if (!east && !take(p, end, '-'))
		return false;
	hours = number(p, end, 2);
	if (hours < 0)
		return false;
	take(p, end, ':');
	if (*p < end)
		minutes = number(p, end, 2);
	if (minutes < 0 || *p != end)
		return false;
	*us -= (east ? 1 : -1) * (int64_t)(hours * 60 + minutes) * 60000000;
	return true;
}

bool
lake_parse_timestamp(struct text in, int64_t *us)
{
	const char *p = in.data, *end = in.data + in.len;
	int64_t days, micros = 0;
	int h, m, s = 0, scale = 100000;

	if (!parse_day(&p, end, &days) || days > INT64_MAX / US_PER_DAY - 1 || days < INT64_MIN / US_PER_DAY + 1)
		return false;
	*us = days * US_PER_DAY;
	if (p == end)
		return true;
	if (!take(&p, end, 'T') && !take(&p, end, ' '))
		return false;
	h = number(&p, end, 2);
	if (!take(&p, end, ':'))
		return false;
	m = number(&p, end, 2);
	if (take(&p, end, ':'))
		s = number(&p, end, 2);
	if (take(&p, end, '.'))
		for (; p < end && isdigit((unsigned char)*p); p++, scale /= 10)
			micros += (*p - '0') * scale;
	if (h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 59)
		return false;
	*us += ((int64_t)h * 3600 + m * 60 + s) * 1000000 + micros;
	take(&p, end, ' ');
	return parse_zone(&p, end, us);
}

bool
lake_parse_date(struct text in, int64_t *days)
{
	const char *p = in.data, *end = in.data + in.len;
	int64_t us;

	if (!parse_day(&p, end, days))
		return false;
	return p == end || lake_parse_timestamp(in, &us);
}
