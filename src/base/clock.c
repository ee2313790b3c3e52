#include "base/clock.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t
system_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t
system_monotonic(void *context)
{
	(void)context;
	return system_ms(CLOCK_MONOTONIC);
}

static int64_t
system_wall(void *context)
{
	(void)context;
	return system_ms(CLOCK_REALTIME);
}

const struct clock clock_system = {.monotonic_ms = system_monotonic, .wall_ms = system_wall};

int64_t
clock_monotonic_ms(const struct clock *c)
{
	return c->monotonic_ms(c->context);
}

int64_t
clock_wall_ms(const struct clock *c)
{
	return c->wall_ms(c->context);
}

int
clock_parse_duration(const char *s, int64_t *ms, struct error *e)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000},
	    {"h", 3600000}, {"d", 86400000}};
	char *end;
	double v;

	if ((*s >= '0' && *s <= '9') || *s == '.') {
		v = strtod(s, &end);
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (strcmp(end, units[i].unit) == 0 && v * units[i].ms < 1e15) {
				*ms = (int64_t)(v * units[i].ms + 0.5);
				return 0;
			}
	}
	return error_set(e, ERR_USAGE, "'%s' is not a duration (like 500ms, 10s, 5m, 2h, 3d)", s);
}

char *
clock_format_duration(char *out, size_t size, int64_t ms)
{
	int64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(out, size, "%" PRId64 "ms", ms);
	else if (s < 10)
		snprintf(out, size, "%" PRId64 ".%" PRId64 "s", s, ms % 1000 / 100);
	else if (s < 60)
		snprintf(out, size, "%" PRId64 "s", s);
	else if (s < 3600)
		snprintf(out, size, "%" PRId64 "m %" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, size, "%" PRId64 "h %" PRId64 "m", s / 3600, s % 3600 / 60);
	else
		snprintf(out, size, "%" PRId64 "d %" PRId64 "h", s / 86400, s % 86400 / 3600);
	return out;
}

static int64_t
days_from_civil(int64_t y, int m, int d)
{
	int64_t era, yoe, doy, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

/* Reads exactly n digits at *s and moves it on. */
static bool
digits(const char **s, int n, int *value)
{
	*value = 0;
	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		*value = *value * 10 + (**s - '0');
	}
	return true;
}

static bool
parse_rfc3339(const char *s, int64_t *ms)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int y, mo, d, h = 0, mi = 0, sec = 0, oh, om, fraction = 0, scale = 100, sign;
	bool leap;

	if (!digits(&s, 4, &y) || *s++ != '-' || !digits(&s, 2, &mo) || *s++ != '-' ||
	    !digits(&s, 2, &d))
		return false;
	if (mo < 1 || mo > 12 || d < 1)
		return false;
	leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	if (d > lengths[mo - 1] + (mo == 2 && leap))
		return false;
	if (*s == 'T' || *s == 't' || *s == ' ') {
		s++;
		if (!digits(&s, 2, &h) || *s++ != ':' || !digits(&s, 2, &mi) || h > 23 || mi > 59)
			return false;
		if (*s == ':') {
			s++;
			if (!digits(&s, 2, &sec) || sec > 60)
				return false;
		}
		if (*s == '.')
			for (s++; *s >= '0' && *s <= '9'; s++, scale /= 10)
				fraction += (*s - '0') * scale;
	}
	*ms = ((days_from_civil(y, mo, d) * 24 + h) * 60 + mi) * 60000 + sec * 1000 + fraction;
	if (*s == 'Z' || *s == 'z') {
		s++;
	} else if (*s == '+' || *s == '-') {
		sign = *s++ == '+' ? -1 : 1;
		if (!digits(&s, 2, &oh))
			return false;
		if (*s == ':')
			s++;
		if (!digits(&s, 2, &om) || oh > 23 || om > 59)
			return false;
		*ms += sign * (oh * 60 + om) * 60000;
	}
	return *s == '\0';
}

int
clock_parse_time(const char *s, int64_t now_ms, int64_t *ms, struct error *e)
{
	struct error ignored;
	char copy[64];
	size_t len = strlen(s);
	int64_t back;

	if (strcmp(s, "now") == 0) {
		*ms = now_ms;
		return 0;
	}
	if (parse_rfc3339(s, ms))
		return 0;
	if (len < sizeof(copy)) {
		memcpy(copy, s, len + 1);
		if (len > 4 && strcmp(copy + len - 4, " ago") == 0)
			copy[len - 4] = '\0';
		if (clock_parse_duration(copy, &back, &ignored) == 0) {
			*ms = now_ms - back;
			return 0;
		}
	}
	return error_set(e, ERR_USAGE, "'%s' is not a time (like 2026-11-01T10:00Z, or 2h for two hours ago)",
	    s);
}

char *
clock_format_time(char *out, int64_t ms)
{
	int64_t s = ms / 1000;
	int fraction = (int)(ms % 1000);
	struct tm tm;
	time_t t;

	if (fraction < 0) {
		fraction += 1000;
		s--;
	}
	t = (time_t)s;
	if (gmtime_r(&t, &tm) == NULL || tm.tm_year > 8099 || tm.tm_year < -1900) {
		snprintf(out, CLOCK_TIME_SIZE, "%" PRId64 "ms", ms);
		return out;
	}
	snprintf(out, CLOCK_TIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, fraction);
	return out;
}
