#include "commands/event_format.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"

static const char verbs[] = "triseckfvhoxnuqpd%";

int
event_format_check(const char *format, struct error *e)
{
	for (const char *at = format; *at != '\0'; at++) {
		if (*at == '\\' && (at[1] == '\0' || strchr("ntr0\\", at[1]) == NULL))
			return error_set(e, ERR_USAGE, "'%.2s' in '%s' is not understood", at, format);
		if (*at == '\\') {
			at++;
			continue;
		}
		if (*at != '%')
			continue;
		at++;
		if (*at == '\0' || strchr(verbs, *at) == NULL) {
			error_set(e, ERR_USAGE, "'%.2s' in '%s' is no verb", at - 1, format);
			return error_hint(e, "%s", "verbs are " EVENT_FORMAT_VERBS);
		}
		if (*at == 'd' && at[1] == '{') {
			at = strchr(at, '}');
			if (at == NULL)
				return error_set(e, ERR_USAGE, "a '}' is missing in '%s'", format);
		}
	}
	return 0;
}

static void
append(struct buffer *out, struct text t)
{
	buffer_append(out, t.data, t.len);
}

static void
append_list(struct buffer *out, const struct text_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		append(out, list->items[i]);
	}
}

/* form: the length of what strftime gets; 0: RFC 3339. */
static void
append_time(struct buffer *out, int64_t ms, const char *form, size_t len)
{
	time_t seconds = (time_t)(ms / 1000);
	char pattern[256], text[512], iso[CLOCK_TIME_SIZE];
	struct tm tm;

	if (len == 0 || len >= sizeof(pattern)) {
		buffer_append_text(out, clock_format_time(iso, ms));
		return;
	}
	memcpy(pattern, form, len);
	pattern[len] = '\0';
	localtime_r(&seconds, &tm);
	buffer_append(out, text, strftime(text, sizeof(text), pattern, &tm));
}

static void
append_verb(struct buffer *out, char verb, const struct event *v)
{
	char hex[REPLAY_ID_TEXT_SIZE];

	switch (verb) {
	case 't': append(out, v->topic); break;
	case 'r': buffer_append_text(out, replay_id_hex(hex, &v->replay_id)); break;
	case 'i': append(out, v->id); break;
	case 's': append(out, v->schema_id); break;
	case 'e': append(out, v->is_change ? v->entity : v->record_name); break;
	case 'c': append(out, v->change_type); break;
	case 'k': append_list(out, &v->record_ids); break;
	case 'f': append_list(out, &v->changed_fields); break;
	case 'v': append(out, v->record_json); break;
	case 'h': append(out, v->changed_json); break;
	case 'o': append(out, v->change_origin); break;
	case 'x': append(out, v->transaction_key); break;
	case 'n': buffer_append_format(out, "%lld", (long long)v->commit_number); break;
	case 'u': append(out, v->commit_user); break;
	case 'q': buffer_append_format(out, "%d", (int)v->sequence_number); break;
	case 'p': buffer_append_base64(out, v->payload.data, v->payload.len); break;
	default: buffer_append_byte(out, '%'); break;
	}
}

void
event_format_print(const char *format, const struct event *event, struct buffer *out)
{
	static const char escapes[] = "n\nt\tr\r0\0\\\\";

	for (const char *at = format; *at != '\0'; at++) {
		if (*at == '\\') {
			at++;
			for (size_t i = 0; i + 1 < sizeof(escapes); i += 2)
				if (escapes[i] == *at)
					buffer_append_byte(out, (uint8_t)escapes[i + 1]);
		} else if (*at != '%') {
			buffer_append_byte(out, (uint8_t)*at);
		} else if (at[1] == 'd' && at[2] == '{') {
			const char *end = strchr(at, '}');

			append_time(out, event->commit_timestamp_ms, at + 3, (size_t)(end - at - 3));
			at = end;
		} else if (at[1] == 'd') {
			append_time(out, event->commit_timestamp_ms, NULL, 0);
			at++;
		} else {
			append_verb(out, at[1], event);
			at++;
		}
	}
}
