/*
 * The table and the JSON of `sfzb replay show` and `history`. Reads replay.db and nothing else.
 */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/json_text.h"
#include "cli/output.h"
#include "cli/table.h"
#include "commands/replay.h"

#define BASE64_SIZE (4 * ((LIMIT_REPLAY_ID_BYTES + 2) / 3) + 1)

static const char *const kinds[] = {
	[POSITION_AFTER] = "after",
	[POSITION_EARLIEST] = "earliest",
	[POSITION_AT] = "at",
};

struct show {
	const char *topic, *table; /* NULL: every one */
	bool json;
	struct table *rows;
	int64_t now_ms;
	struct error *e;
	struct positions *history; /* NULL: only where each stands */
	int rc;
};

static const struct column columns[] = {
	{"TOPIC", COLUMN_LEFT},
	{"TABLE", COLUMN_LEFT},
	{"REPLAY ID", COLUMN_LEFT},
	{"DECIMAL", COLUMN_SPARE},
	{"BASE64", COLUMN_SPARE},
	{"EVENT OF", COLUMN_SPARE},
	{"EVENT AGE", COLUMN_RIGHT},
	{"STORED", COLUMN_LEFT},
	{"LEFT OF 72H", COLUMN_RIGHT},
	{"IN FLIGHT", COLUMN_RIGHT},
	{"ORG", COLUMN_SPARE},
};

const char *
replay_kind_name(enum position_kind kind)
{
	return kinds[kind];
}

int
replay_kind_parse(const char *name, enum position_kind *kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(name, kinds[i]) == 0) {
			*kind = (enum position_kind)i;
			return 0;
		}
	return -1;
}

/*
 * The age that counts is the event's; a position of a keepalive has no event time and is as old as its store.
 * Negative: the retention has passed it.
 */
static int64_t
left_ms(const struct position *p, int64_t now_ms)
{
	int64_t from = p->event_ms > 0 ? p->event_ms : p->stored_ms;

	return from + REPLAY_RETENTION_MS - now_ms;
}

/* Standard base64, with padding: as other tools print and take replay ids. Returns out. */
static char *
base64(char out[BASE64_SIZE], const struct replay_id *id)
{
	struct buffer b = BUFFER_INIT;

	buffer_append_base64(&b, id->bytes, id->len);
	snprintf(out, BASE64_SIZE, "%s", buffer_text(&b));
	buffer_release(&b);
	return out;
}

static void
add_replay_id(struct table *t, const struct position *p)
{
	char hex[REPLAY_ID_TEXT_SIZE], sixtyfour[BASE64_SIZE];
	uint64_t number;

	if (p->kind == POSITION_EARLIEST) {
		table_add(t, "earliest");
		table_add(t, NULL);
		table_add(t, NULL);
		return;
	}
	table_add_format(t, "%s%s", p->kind == POSITION_AT ? "at " : "", replay_id_hex(hex, &p->replay_id));
	if (replay_id_number(&p->replay_id, &number))
		table_add_format(t, "%llu", (unsigned long long)number);
	else
		table_add(t, NULL);
	table_add(t, base64(sixtyfour, &p->replay_id));
}

static void
add_row(struct table *t, const struct position_key *key, const struct position *p, int64_t now_ms)
{
	char time[CLOCK_TIME_SIZE], duration[32];
	int64_t remaining = left_ms(p, now_ms);

	table_add(t, key->topic);
	table_add(t, key->table);
	add_replay_id(t, p);
	table_add(t, p->event_ms > 0 ? clock_format_time(time, p->event_ms) : "");
	table_add(t, p->event_ms > 0 ? clock_format_duration(duration, sizeof(duration), now_ms - p->event_ms) : "");
	table_add_format(t, "%s ago", clock_format_duration(duration, sizeof(duration), now_ms - p->stored_ms));
	if (p->kind == POSITION_EARLIEST)
		table_add(t, "");
	else
		table_add(t, remaining < 0 ? "passed" : clock_format_duration(duration, sizeof(duration), remaining));
	if (p->in_flight == POSITION_ALL_IN_FLIGHT)
		table_add(t, "to be looked up");
	else if (p->in_flight > 0)
		table_add_format(t, "up to %lld", (long long)p->in_flight);
	else
		table_add(t, "none");
	table_add(t, key->org_id);
}

static void
write_replay_id(struct buffer *b, const struct replay_id *id)
{
	char hex[REPLAY_ID_TEXT_SIZE], sixtyfour[BASE64_SIZE];
	uint64_t number;

	if (id->len == 0) {
		buffer_append_text(b, "null");
		return;
	}
	buffer_append_format(b, "\"%s\"", replay_id_hex(hex, id));
	if (replay_id_number(id, &number))
		buffer_append_format(b, ",\"replay_number\":\"%llu\"", (unsigned long long)number);
	buffer_append_format(b, ",\"replay_base64\":\"%s\"", base64(sixtyfour, id));
}

static int
print_json(const struct position_key *key, const struct position *p, int64_t now_ms, struct error *e)
{
	struct buffer b = BUFFER_INIT;
	char time[CLOCK_TIME_SIZE];
	int rc;

	buffer_append_text(&b, "{\"org_id\":");
	json_text_string(&b, text_of(key->org_id));
	buffer_append_text(&b, ",\"topic\":");
	json_text_string(&b, text_of(key->topic));
	buffer_append_text(&b, ",\"table\":");
	json_text_string(&b, text_of(key->table));
	buffer_append_format(&b, ",\"position\":\"%s\",\"replay_id\":", replay_kind_name(p->kind));
	write_replay_id(&b, &p->replay_id);
	if (p->event_ms > 0)
		buffer_append_format(&b, ",\"event_time\":\"%s\",\"event_age_ms\":%lld", clock_format_time(time, p->event_ms),
		    (long long)(now_ms - p->event_ms));
	else
		buffer_append_text(&b, ",\"event_time\":null,\"event_age_ms\":null");
	buffer_append_format(&b, ",\"stored_time\":\"%s\",\"retention_left_ms\":", clock_format_time(time, p->stored_ms));
	if (p->kind == POSITION_EARLIEST)
		buffer_append_text(&b, "null");
	else
		buffer_append_format(&b, "%lld", (long long)left_ms(p, now_ms));
	if (p->in_flight == POSITION_ALL_IN_FLIGHT)
		buffer_append_text(&b, ",\"in_flight\":null}");
	else
		buffer_append_format(&b, ",\"in_flight\":%lld}", (long long)p->in_flight);
	rc = output_line(buffer_span(&b), e);
	buffer_release(&b);
	return rc;
}

static bool
show_place(void *context, const struct position_key *key, const struct position *p)
{
	struct show *s = context;

	if (s->json)
		s->rc = print_json(key, p, s->now_ms, s->e);
	else
		add_row(s->rows, key, p, s->now_ms);
	return s->rc == 0 && !output_gone();
}

static bool
show_one(void *context, const struct position_key *key, const struct position *p)
{
	struct show *s = context;

	if ((s->topic != NULL && strcmp(s->topic, key->topic) != 0) ||
	    (s->table != NULL && strcmp(s->table, key->table) != 0))
		return true;
	if (s->history == NULL)
		return show_place(context, key, p);
	if (positions_history(s->history, key, show_place, s, s->e) != 0)
		s->rc = -1;
	return s->rc == 0 && !output_gone();
}

int
replay_show(struct positions *positions, const char *topic, const char *table, bool history, bool json,
    struct error *e)
{
	struct show s = {.topic = topic, .table = table, .json = json, .e = e, .history = history ? positions : NULL,
		.now_ms = clock_wall_ms(&clock_system)};

	s.rows = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	if (positions != NULL && positions_list(positions, show_one, &s, e) != 0)
		s.rc = -1;
	if (s.rc == 0 && !json && table_rows(s.rows) > 0)
		s.rc = table_print(s.rows, e);
	else if (s.rc == 0 && !json && output_is_terminal())
		s.rc = output_line(text_of("no positions are stored"), e);
	table_free(s.rows);
	return s.rc;
}
