/*
 * What `sfzb dead-letters` prints: a line each, or one whole with its bytes.
 */
#include <ctype.h>
#include <stdlib.h>

#include "base/json_text.h"
#include "cli/output.h"
#include "cli/table.h"
#include "commands/dead_letters.h"

#define DUMP_WIDTH 16

static void
member(struct buffer *b, const char *name, struct text value)
{
	buffer_append_format(b, ",\"%s\":", name);
	json_text_string(b, value);
}

static void
json_members(struct buffer *b, const struct dead_letter *l)
{
	char hex[REPLAY_ID_TEXT_SIZE], time[CLOCK_TIME_SIZE];

	buffer_append_format(b, "{\"id\":%lld", (long long)l->id);
	member(b, "org_id", l->org_id);
	member(b, "topic", l->topic);
	member(b, "table", l->table);
	member(b, "event_id", l->event_id);
	member(b, "replay_id", text_of(replay_id_hex(hex, &l->replay_id)));
	member(b, "schema_id", l->schema_id);
	member(b, "code", text_of(error_name(l->code)));
	member(b, "reason", l->reason);
	member(b, "received", text_of(clock_format_time(time, l->received_ms)));
	member(b, "set_aside", text_of(clock_format_time(time, l->set_aside_ms)));
	buffer_append_format(b, ",\"attempts\":%lld,\"payload_bytes\":%zu", (long long)l->attempts, l->payload.len);
}

/* ---- list */

struct listing {
	bool json;
	struct table *rows;
	struct error *e;
	int rc;
};

static const struct column columns[] = {
	{"ID", COLUMN_RIGHT},
	{"SET ASIDE", COLUMN_LEFT},
	{"TOPIC", COLUMN_LEFT},
	{"TABLE", COLUMN_LEFT},
	{"EVENT ID", COLUMN_SPARE},
	{"REPLAY ID", COLUMN_SPARE},
	{"TRIES", COLUMN_RIGHT},
	{"REASON", COLUMN_LEFT},
};

static void
add_row(struct table *t, const struct dead_letter *l)
{
	char hex[REPLAY_ID_TEXT_SIZE], time[CLOCK_TIME_SIZE];

	table_add_format(t, "%lld", (long long)l->id);
	table_add(t, clock_format_time(time, l->set_aside_ms));
	table_add_format(t, TEXT_FORMAT, TEXT_ARGS(l->topic));
	table_add_format(t, TEXT_FORMAT, TEXT_ARGS(l->table));
	table_add_format(t, TEXT_FORMAT, TEXT_ARGS(l->event_id));
	table_add(t, replay_id_hex(hex, &l->replay_id));
	table_add_format(t, "%lld", (long long)l->attempts);
	table_add_format(t, TEXT_FORMAT, TEXT_ARGS(l->reason));
}

static bool
list_one(void *context, const struct dead_letter *l)
{
	struct listing *s = context;
	struct buffer b = BUFFER_INIT;

	if (!s->json) {
		add_row(s->rows, l);
		return true;
	}
	json_members(&b, l);
	buffer_append_byte(&b, '}');
	s->rc = output_line(buffer_span(&b), s->e);
	buffer_release(&b);
	return s->rc == 0 && !output_gone();
}

int
letters_list(struct dead_letters *store, const struct dead_letter_filter *filter, bool json, struct error *e)
{
	struct listing s = {.json = json, .e = e};

	s.rows = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	if (store != NULL && dead_letters_each(store, filter, list_one, &s, e) != 0)
		s.rc = -1;
	if (s.rc == 0 && !json && table_rows(s.rows) > 0)
		s.rc = table_print(s.rows, e);
	else if (s.rc == 0 && !json && output_is_terminal())
		s.rc = output_line(text_of("no events are set aside"), e);
	table_free(s.rows);
	return s.rc;
}

/* ---- show */

/* "name       value", the value cleaned: it may be a server's. */
static void
field(struct buffer *b, const char *name, struct text value)
{
	size_t size = value.len * 3 + 8;
	char *clean = malloc(size);

	buffer_append_format(b, "%-11s", name);
	if (clean != NULL)
		buffer_append_text(b, text_clean(clean, size, value));
	buffer_append_byte(b, '\n');
	free(clean);
}

static void
dump(struct buffer *b, struct text bytes)
{
	for (size_t at = 0; at < bytes.len; at += DUMP_WIDTH) {
		size_t n = bytes.len - at < DUMP_WIDTH ? bytes.len - at : DUMP_WIDTH;

		buffer_append_format(b, "  %08zx ", at);
		for (size_t i = 0; i < DUMP_WIDTH; i++) {
			if (i < n)
				buffer_append_format(b, " %02x", (unsigned)(unsigned char)bytes.data[at + i]);
			else
				buffer_append_text(b, "   ");
		}
		buffer_append_text(b, "  ");
		for (size_t i = 0; i < n; i++) {
			unsigned char c = (unsigned char)bytes.data[at + i];

			buffer_append_byte(b, c < 0x80 && isprint(c) ? c : '.');
		}
		buffer_append_byte(b, '\n');
	}
}

static void
for_people(struct buffer *b, const struct dead_letter *l)
{
	char hex[REPLAY_ID_TEXT_SIZE], time[CLOCK_TIME_SIZE];

	buffer_append_format(b, "%-11s%lld\n", "id", (long long)l->id);
	field(b, "event id", l->event_id);
	field(b, "reason", l->reason);
	field(b, "code", text_of(error_name(l->code)));
	field(b, "org", l->org_id);
	field(b, "topic", l->topic);
	field(b, "table", l->table);
	field(b, "replay id", text_of(replay_id_hex(hex, &l->replay_id)));
	field(b, "schema id", l->schema_id);
	field(b, "schema", text_of(l->schema_json.len > 0 ? "kept (-o json shows it)" : "was never known"));
	field(b, "received", text_of(clock_format_time(time, l->received_ms)));
	field(b, "set aside", text_of(clock_format_time(time, l->set_aside_ms)));
	buffer_append_format(b, "%-11s%lld\n", "tries", (long long)l->attempts);
	buffer_append_format(b, "%-11s%zu bytes of Avro\n", "payload", l->payload.len);
	dump(b, l->payload);
}

static void
for_programs(struct buffer *b, const struct dead_letter *l)
{
	json_members(b, l);
	buffer_append_text(b, ",\"payload_base64\":\"");
	buffer_append_base64(b, l->payload.data, l->payload.len);
	buffer_append_text(b, "\",\"schema_json\":");
	if (l->schema_json.len > 0)
		json_text_string(b, l->schema_json);
	else
		buffer_append_text(b, "null");
	buffer_append_byte(b, '}');
}

static bool
show_one(void *context, const struct dead_letter *l)
{
	struct listing *s = context;
	struct buffer b = BUFFER_INIT;

	if (s->json) {
		for_programs(&b, l);
		s->rc = output_line(buffer_span(&b), s->e);
	} else {
		for_people(&b, l);
		s->rc = output_write(buffer_span(&b), s->e);
	}
	buffer_release(&b);
	return s->rc == 0 && !output_gone();
}

int
letters_show(struct dead_letters *store, const struct letter_ids *ids, bool json, struct error *e)
{
	struct listing s = {.json = json, .e = e};

	for (size_t i = 0; i < ids->count && s.rc == 0 && !output_gone(); i++) {
		struct dead_letter_filter filter = {.id = ids->items[i]};

		if (!json && i > 0 && output_line(text_of(""), e) != 0)
			return -1;
		if (dead_letters_each(store, &filter, show_one, &s, e) != 0)
			return -1;
	}
	return s.rc;
}
