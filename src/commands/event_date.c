#include "commands/event_date.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define DAY_MS INT64_C(86400000)

enum meaning { NO_DATE, MOMENT, DAY, DAY_NUMBER, TIME_OF_DAY };

static enum meaning
meaning_of(const struct avro_field *f)
{
	struct text word = avro_doc_type(f->doc), logical = f->value->logical;

	if (f->value->kind == AVRO_KIND_INT)
		return text_is(logical, "date") ? DAY_NUMBER : NO_DATE;
	if (f->value->kind != AVRO_KIND_LONG || text_ends(logical, "-micros"))
		return NO_DATE;
	if (text_is(word, "DateOnly") || text_is(word, "Birthday"))
		return DAY;
	if (text_is(word, "TimeOnly"))
		return TIME_OF_DAY;
	return text_is(word, "DateTime") || text_is(logical, "timestamp-millis") ? MOMENT : NO_DATE;
}

static bool
read_number(struct text value, int64_t *n)
{
	char digits[24];
	char *end;
	long long v;

	if (value.len == 0 || value.len >= sizeof(digits))
		return false;
	memcpy(digits, value.data, value.len);
	digits[value.len] = '\0';
	errno = 0;
	v = strtoll(digits, &end, 10);
	*n = v;
	return errno == 0 && *end == '\0';
}

bool
event_date_append(struct buffer *out, const struct avro_type *record, struct text field, struct text value)
{
	ptrdiff_t at = record != NULL ? avro_type_find(record, field) : -1;
	enum meaning meaning = at >= 0 ? meaning_of(&record->fields[at]) : NO_DATE;
	char iso[CLOCK_TIME_SIZE];
	size_t from = 0, to = strlen("2026-11-01T10:00:00");
	int64_t ms;

	if (meaning == NO_DATE || !read_number(value, &ms) ||
	    (meaning == DAY_NUMBER && (ms > INT64_MAX / DAY_MS || ms < INT64_MIN / DAY_MS)) ||
	    (meaning == TIME_OF_DAY && (ms < 0 || ms >= DAY_MS)))
		return false;
	if (meaning == DAY_NUMBER)
		ms *= DAY_MS;
	if (!text_ends(text_of(clock_format_time(iso, ms)), "Z"))
		return false;
	/* a day that is not at midnight keeps its time */
	if (meaning == DAY_NUMBER || (meaning == DAY && ms % DAY_MS == 0))
		to = strlen("2026-11-01");
	else if (ms % 1000 != 0)
		to += strlen(".123");
	if (meaning == TIME_OF_DAY)
		from = strlen("2026-11-01T");
	buffer_append(out, iso + from, to - from);
	if (from == 0 && to > strlen("2026-11-01"))
		buffer_append_byte(out, 'Z');
	return true;
}
