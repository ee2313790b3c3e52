#include "databricks/sink_lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "databricks/sql.h"
#include "databricks/table_layout.h"

#define IDS_PER_QUESTION 5000 /* of 36 characters: a parameter of some 200 kB */
#define NAME_MAX_BYTES 160

/* Runs a statement that only reads. */
static int
run(const struct table_lookup *l, const char *text, const struct sql_parameter *parameters,
    size_t count, struct sql_result *r, struct error *e)
{
	struct sql_statement s = {.text = text,
	    .parameters = parameters,
	    .parameter_count = count,
	    .deadline_ms = l->deadline_ms,
	    .waiting = l->waiting,
	    .context = l->waiting_context,
	    .only_reads = true};

	return sql_run(l->session, &s, r, e);
}

/* An id of the question and where its answer goes. */
struct asked {
	const struct sought *event;
	bool *found;
};

static int
by_id(const void *a, const void *b)
{
	const struct text *x = &((const struct asked *)a)->event->id, *y = &((const struct asked *)b)->event->id;
	size_t n = x->len < y->len ? x->len : y->len;
	int order = n > 0 ? memcmp(x->data, y->data, n) : 0;

	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static bool
is_row_of(const struct sought *event, struct text replay_id)
{
	char hex[REPLAY_ID_TEXT_SIZE];

	if (event->id_is_unique || event->replay_id.len == 0 || replay_id.len == 0)
		return true;
	return text_is(replay_id, replay_id_hex(hex, &event->replay_id));
}

/* Marks all that have this id and are this row's: the same one may have been asked for twice. */
static void
mark(struct asked *sorted, size_t count, struct text id, struct text replay_id)
{
	struct sought event = {.id = id};
	struct asked key = {.event = &event};
	struct asked *hit = bsearch(&key, sorted, count, sizeof(*sorted), by_id);

	if (hit == NULL)
		return;
	while (hit > sorted && by_id(hit - 1, &key) == 0)
		hit--;
	for (; hit < sorted + count && by_id(hit, &key) == 0; hit++)
		if (is_row_of(hit->event, replay_id))
			*hit->found = true;
}

static int
find_some(const struct table_lookup *l, const char *name, bool by_replay_id, const struct sought *sought,
    size_t count, bool *found, struct error *e)
{
	struct asked *sorted = memory_zero(count + 1, sizeof(*sorted));
	struct buffer list = BUFFER_INIT;
	struct sql_parameter parameter = {.name = "ids"};
	struct sql_result r;
	char *statement;
	int rc;

	buffer_append_byte(&list, '[');
	for (size_t i = 0; i < count; i++) {
		sorted[i] = (struct asked){&sought[i], &found[i]};
		if (i > 0)
			buffer_append_byte(&list, ',');
		json_text_string(&list, sought[i].id);
	}
	buffer_append_byte(&list, ']');
	qsort(sorted, count, sizeof(*sorted), by_id);
	parameter.value = buffer_text(&list);
	statement = memory_format("SELECT event_id%s FROM %s WHERE array_contains(from_json(:ids, "
				  "'array<string>'), event_id)",
	    by_replay_id ? ", replay_id" : "", name);
	sql_result_init(&r);
	rc = run(l, statement, &parameter, 1, &r, e);
	if (rc == 0 && r.truncated)
		rc = error_set(
		    e, ERR_UNAVAILABLE, "the server cut the list of events that it holds");
	for (size_t i = 0; rc == 0 && i < r.row_count; i++)
		mark(sorted, count, sql_result_cell(&r, i, 0),
		    by_replay_id ? sql_result_cell(&r, i, 1) : text_of(NULL));
	sql_result_release(&r);
	free(statement);
	free(sorted);
	buffer_release(&list);
	return rc;
}

int
table_lookup_find(void *table_lookup, const char *table, bool by_replay_id, const struct sought *sought,
    size_t count, bool *found, struct error *e)
{
	struct buffer name = BUFFER_INIT;
	int rc = delta_write_name(&name, table, e);

	memset(found, 0, count * sizeof(*found));
	for (size_t at = 0; rc == 0 && at < count; at += IDS_PER_QUESTION) {
		size_t some = count - at < IDS_PER_QUESTION ? count - at : IDS_PER_QUESTION;

		rc = find_some(table_lookup, buffer_text(&name), by_replay_id, sought + at, some,
		    found + at, e);
	}
	buffer_release(&name);
	return rc == 0 ? 0 : error_wrap(e, "cannot look events up in table '%s'", table);
}

/* How the rows of a topic without a topic column are told: entity_name, and for platform events the
 * record's name. */
struct kind {
	char entity[NAME_MAX_BYTES]; /* "" for a channel of several */
	char record[NAME_MAX_BYTES]; /* of a platform event */
};

static void
kind_of_topic(const char *topic, struct kind *k)
{
	static const char event[] = "/event/", data[] = "/data/", custom[] = "__ChangeEvent",
			  change[] = "ChangeEvent";
	size_t len = strlen(topic);

	*k = (struct kind){.entity = ""};
	if (strncmp(topic, event, strlen(event)) == 0 && text_ends(text_of(topic), "__e")) {
		strcpy(k->entity, "UNKNOWN");
		snprintf(k->record, sizeof(k->record), "%s", topic + strlen(event));
	} else if (strncmp(topic, data, strlen(data)) == 0) {
		const char *name = topic + strlen(data);

		if (text_ends(text_of(topic), custom))
			snprintf(k->entity, sizeof(k->entity), "%.*s__c",
			    (int)(len - strlen(data) - strlen(custom)), name);
		else if (text_ends(text_of(topic), change))
			snprintf(k->entity, sizeof(k->entity), "%.*s",
			    (int)(len - strlen(data) - strlen(change)), name);
	}
}

/* The condition for a topic's rows and its parameters (three at most); false when the columns do
 * not tell them. */
static bool
write_condition(const struct delta_table *t, const char *topic, const struct kind *k,
    struct buffer *out, struct sql_parameter *parameters, size_t *count, char *pattern,
    size_t pattern_size)
{
	bool by_topic = delta_table_has_text(t, "topic");
	bool by_entity = *k->entity != '\0' && delta_table_has_text(t, "entity_name") &&
			 (*k->record == '\0' || delta_table_has_text(t, "schema_json"));

	*count = 0;
	if (by_topic) {
		buffer_append_text(
		    out, by_entity ? "(topic = :topic OR (topic IS NULL AND " : "topic = :topic");
		parameters[(*count)++] = (struct sql_parameter){.name = "topic", .value = topic};
	}
	if (by_entity) {
		buffer_append_text(out, "entity_name = :entity");
		parameters[(*count)++] =
		    (struct sql_parameter){.name = "entity", .value = k->entity};
		if (*k->record != '\0') {
			/* schemas are kept as served, without a space */
			snprintf(pattern, pattern_size, "%%\"name\":\"%s\"%%", k->record);
			buffer_append_text(out, " AND schema_json LIKE :schema");
			parameters[(*count)++] =
			    (struct sql_parameter){.name = "schema", .value = pattern};
		}
		if (by_topic)
			buffer_append_text(out, "))");
	}
	return by_topic || by_entity;
}

static int
has_rows(const struct table_lookup *l, const char *name, bool *any, struct error *e)
{
	char *statement = memory_format("SELECT 1 FROM %s LIMIT 1", name);
	struct sql_result r;
	int rc;

	sql_result_init(&r);
	rc = run(l, statement, NULL, 0, &r, e);
	*any = r.row_count > 0;
	sql_result_release(&r);
	free(statement);
	return rc;
}

static int
read_newest(const struct table_lookup *l, const char *statement,
    const struct sql_parameter *parameters, size_t count, enum table_position *result,
    struct replay_id *newest, struct error *e)
{
	struct sql_result r;
	int rc;

	sql_result_init(&r);
	rc = run(l, statement, parameters, count, &r, e);
	if (rc == 0 && r.row_count > 0) {
		struct text hex = sql_result_cell(&r, 0, 0);
		ssize_t len = encode_unhex(hex, newest->bytes, sizeof(newest->bytes));
		char clean[80];

		if (len <= 0)
			rc = error_set(e, ERR_POSITION,
			    "its newest replay_id '%s' is not hexadecimal",
			    text_clean(clean, sizeof(clean), hex));
		newest->len = len > 0 ? (uint8_t)len : 0;
		*result = TABLE_POSITION_FOUND;
	}
	sql_result_release(&r);
	return rc;
}

int
table_lookup_position(const struct table_lookup *l, const struct delta_table *t, const char *topic,
    enum table_position *result, struct replay_id *newest, struct error *e)
{
	struct buffer name = BUFFER_INIT, statement = BUFFER_INIT;
	struct sql_parameter parameters[3];
	char pattern[NAME_MAX_BYTES + 20];
	struct kind kind;
	size_t count;
	bool any = false;
	int rc = 0;

	*newest = (struct replay_id){.len = 0};
	*result = TABLE_POSITION_NONE;
	delta_write_table(&name, t);
	kind_of_topic(topic, &kind);
	/* replay ids are hexadecimal of a fixed width; should the width ever grow, the longer ones
	 * are the newer */
	buffer_append_format(&statement,
	    "SELECT replay_id FROM %s WHERE replay_id IS NOT NULL AND ", buffer_text(&name));
	if (delta_table_has_text(t, "replay_id") && write_condition(t, topic, &kind, &statement, parameters,
					    &count, pattern, sizeof(pattern))) {
		buffer_append_text(
		    &statement, " ORDER BY length(replay_id) DESC, replay_id DESC LIMIT 1");
		rc = read_newest(l, buffer_text(&statement), parameters, count, result, newest, e);
	} else {
		rc = has_rows(l, buffer_text(&name), &any, e);
		*result = any ? TABLE_POSITION_UNKNOWN : TABLE_POSITION_NONE;
	}
	buffer_release(&name);
	buffer_release(&statement);
	return rc == 0
		   ? 0
		   : error_wrap(e, "cannot ask table '%s' how far '%s' got", t->full_name, topic);
}
