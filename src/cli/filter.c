#include "cli/filter.h"

#include <jq.h>
#include <jv.h>
#include <stdlib.h>

#include "base/memory.h"

struct filter {
	jq_state *jq;
	struct buffer words; /* of jq about a program that does not compile */
};

static void
take_words(void *context, jv message)
{
	struct filter *f = context;
	jv text = jq_format_error(message);

	if (jv_get_kind(text) == JV_KIND_STRING) {
		if (f->words.len > 0)
			buffer_append_text(&f->words, " ");
		buffer_append_text(&f->words, jv_string_value(text));
	}
	jv_free(text);
}

struct filter *
filter_new(const char *program, struct error *e)
{
	struct filter *f = memory_zero(1, sizeof(*f));
	char words[512];

	f->jq = jq_init();
	if (f->jq == NULL)
		memory_give_up("out of memory");
	jq_set_error_cb(f->jq, take_words, f);
	if (jq_compile(f->jq, program))
		return f;
	error_set(e, ERR_USAGE, "no jq program: %s", text_clean(words, sizeof(words), buffer_span(&f->words)));
	filter_free(f);
	return NULL;
}

void
filter_free(struct filter *f)
{
	if (f == NULL)
		return;
	jq_teardown(&f->jq);
	buffer_release(&f->words);
	free(f);
}

/* ERR_REFUSED with the message of a value that is invalid; 0 when it is just the end. */
static int
judge_end(jv last, struct error *e)
{
	char words[256];
	jv message;
	int rc = 0;

	if (jv_invalid_has_msg(jv_copy(last))) {
		message = jv_invalid_get_msg(jv_copy(last));
		if (jv_get_kind(message) != JV_KIND_STRING)
			message = jv_dump_string(message, 0);
		rc = error_set(e, ERR_REFUSED, "jq: %s",
		    text_clean(words, sizeof(words), text_of(jv_string_value(message))));
		jv_free(message);
	}
	jv_free(last);
	return rc;
}

static int
start(struct filter *f, struct text json, struct error *e)
{
	jv input = jv_parse_sized(json.data, (int)json.len);

	if (!jv_is_valid(input)) {
		if (judge_end(input, e) == 0)
			error_set(e, ERR_REFUSED, "jq: no JSON");
		return -1;
	}
	jq_start(f->jq, input, 0);
	return 0;
}

int
filter_test(struct filter *f, struct text json, bool *passes, struct error *e)
{
	jv value;
	jv_kind kind;

	*passes = false;
	if (start(f, json, e) != 0)
		return -1;
	value = jq_next(f->jq);
	if (!jv_is_valid(value))
		return judge_end(value, e);
	kind = jv_get_kind(value);
	*passes = kind != JV_KIND_FALSE && kind != JV_KIND_NULL;
	jv_free(value);
	return 0;
}

int
filter_apply(struct filter *f, struct text json, struct buffer *out, struct error *e)
{
	jv value, text;

	if (start(f, json, e) != 0)
		return -1;
	for (value = jq_next(f->jq); jv_is_valid(value); value = jq_next(f->jq)) {
		text = jv_dump_string(value, 0);
		buffer_append(out, jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text)));
		buffer_append_byte(out, '\n');
		jv_free(text);
	}
	return judge_end(value, e);
}
