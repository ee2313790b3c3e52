/* From lines of JSON, or of a raw container, to encoded events. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avro/decode.h"
#include "avro/encode.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "commands/publish.h"

#define ID_MAX 36

void
publish_batch_clear(struct publish_batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		free(b->entries[i].refusal);
	b->count = 0;
	buffer_clear(&b->payloads);
}

static bool
schema_has(const struct publish *p, const char *field)
{
	const struct avro_type *root = avro_schema_root(p->schema);

	for (size_t i = 0; root->kind == AVRO_KIND_RECORD && i < root->count; i++)
		if (text_is(root->fields[i].name, field))
			return true;
	return false;
}

/* ---- the id that a field of the object gives */

static int
set_id(struct publish_entry *x, struct text id, struct error *e)
{
	if (id.len == 0 || id.len > ID_MAX)
		return error_set(e, ERR_REFUSED, "an event id has 1 to %d bytes, not %zu", ID_MAX, id.len);
	memcpy(x->id, id.data, id.len);
	x->id[id.len] = '\0';
	return 0;
}

/*
 * Takes the id from the member `name` of json and appends json to rest, without that member unless the schema has a
 * field of the name. What is no JSON object is left for the encoder to refuse.
 */
static int
take_id(const struct publish *p, struct publish_entry *x, struct text json, struct buffer *rest, struct error *e)
{
	const char *name = p->options->id_field;
	bool keep = schema_has(p, name), found = false, first = true;
	struct json_reader r;
	enum json_token t;
	int rc = 0;

	json_reader_init(&r, json);
	t = json_reader_next(&r, NULL);
	buffer_append_byte(rest, '{');
	while (t == JSON_TOKEN_OBJECT || t == JSON_TOKEN_KEY) {
		size_t from = r.at;
		bool is_id;

		t = json_reader_next(&r, NULL);
		if (t != JSON_TOKEN_KEY)
			break;
		is_id = text_is(r.value, name);
		t = json_reader_next(&r, NULL);
		if (is_id && (t == JSON_TOKEN_STRING || t == JSON_TOKEN_NUMBER)) {
			found = true;
			rc = set_id(x, r.value, e);
		}
		if (json_reader_skip(&r, t, NULL) != 0)
			break;
		while (from < r.at && strchr(", \t\r\n", json.data[from]) != NULL)
			from++;
		if (is_id && !keep) {
			t = JSON_TOKEN_KEY;
			continue;
		}
		if (!first)
			buffer_append_byte(rest, ',');
		first = false;
		buffer_append(rest, json.data + from, r.at - from);
		t = JSON_TOKEN_KEY;
	}
	buffer_append_byte(rest, '}');
	if (t != JSON_TOKEN_OBJECT_END || json_reader_next(&r, NULL) != JSON_TOKEN_END) {
		buffer_clear(rest);
		buffer_append(rest, json.data, json.len);
	} else if (!found) {
		rc = error_set(e, ERR_REFUSED, "field '%s', which --id-field names, has no text or number", name);
	}
	json_reader_release(&r);
	return rc;
}

/* ---- encoding */

static int
encode(struct publish *p, struct text json, struct error *e)
{
	char now[32];
	struct buffer user = BUFFER_INIT;
	int rc;

	snprintf(now, sizeof(now), "%lld", (long long)clock_wall_ms(&clock_system));
	json_text_string(&user, text_of(salesforce_session_user_id(p->app->salesforce)));
	{
		const struct avro_default defaults[] = {{"CreatedDate", text_of(now)}, {"CreatedById", buffer_span(&user)}};

		rc = avro_encode(p->schema, json, defaults, 2, &p->batch.payloads, e);
	}
	buffer_release(&user);
	return rc;
}

static int
add_json(struct publish *p, struct publish_entry *x, struct text json, struct error *e)
{
	struct buffer rest = BUFFER_INIT;
	int rc;

	if (p->options->id_field == NULL)
		return encode(p, json, e);
	rc = take_id(p, x, json, &rest, e);
	if (rc == 0)
		rc = encode(p, buffer_span(&rest), e);
	buffer_release(&rest);
	return rc;
}

/* A payload of the topic's own schema goes out as it is; one of another is read by its schema and written by the topic's. */
static int
recode(struct publish *p, const struct raw_event *raw, struct error *e)
{
	struct avro_schema *schema = raw_schemas_find(&p->schemas, raw->schema_id);
	struct buffer json = BUFFER_INIT;
	struct avro_decoder *d;
	int rc;

	if (strcmp(raw->schema_id, p->schema_id) == 0) {
		buffer_append(&p->batch.payloads, raw->payload.data, raw->payload.len);
		return 0;
	}
	if (schema == NULL)
		return error_set(e, ERR_REFUSED, "schema '%.*s' is neither the topic's nor in a line before",
		    LIMIT_SCHEMA_ID_BYTES, raw->schema_id);
	d = avro_decoder_new(schema);
	rc = avro_decode_json(d, buffer_span(&raw->payload), &json, e);
	if (rc == 0)
		rc = encode(p, buffer_span(&json), e);
	avro_decoder_free(d);
	buffer_release(&json);
	return rc;
}

/* false: the line was a schema, and there is no event. */
static bool
add_raw(struct publish *p, struct publish_entry *x, struct text line, struct error *e)
{
	struct raw_event raw = {.id = NULL};
	int rc = raw_event_parse(&p->schemas, line, &raw, e);

	if (rc > 0 && (raw.id == NULL || raw.id[0] == '\0' || set_id(x, text_of(raw.id), e) == 0))
		recode(p, &raw, e);
	raw_event_release(&raw);
	return rc != 0;
}

static void
add(struct publish *p, struct text line, long long number)
{
	struct publish_batch *b = &p->batch;
	struct publish_entry x = {.line = number, .from = b->payloads.len};
	struct error e = ERROR_INIT;

	random_uuid(x.id);
	if (!p->options->raw)
		add_json(p, &x, line, &e);
	else if (!add_raw(p, &x, line, &e))
		return;
	x.len = b->payloads.len - x.from;
	if (e.code == ERR_OK && x.len > PUBSUB_PUBLISH_EVENT_BYTES)
		error_set(&e, ERR_REFUSED, "%zu bytes are more than the %d that an event may have", x.len,
		    PUBSUB_PUBLISH_EVENT_BYTES);
	if (e.code != ERR_OK) {
		x.refusal = memory_strdup(e.text);
		b->payloads.len = x.from;
		x.len = 0;
	}
	b->entries = memory_reserve(b->entries, &b->capacity, b->count + 1, sizeof(*b->entries));
	b->entries[b->count++] = x;
}

/* ---- input */

static bool
is_blank(struct text line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] != ' ' && line.data[i] != '\t')
			return false;
	return true;
}

/* With a rate, small batches: so that it is one, and not a burst now and then. */
static size_t
batch_max(const struct publish *p)
{
	int64_t few = p->options->rate / 10;

	if (p->options->rate == 0 || few > PUBSUB_PUBLISH_EVENTS)
		return PUBSUB_PUBLISH_EVENTS;
	return few > 0 ? (size_t)few : 1;
}

void
publish_fill(struct publish *p)
{
	size_t max = batch_max(p);

	while (!p->input_ended && p->batch.count < max &&
	    p->batch.payloads.len < PUBSUB_PUBLISH_BYTES - PUBSUB_PUBLISH_EVENT_BYTES) {
		struct text line;
		int rc;

		if (p->lines == NULL) {
			if (p->next_argument < p->argument_count) {
				add(p, text_of(p->arguments[p->next_argument]), p->next_argument + 1);
				p->next_argument++;
			}
			p->input_ended = p->next_argument == p->argument_count;
			continue;
		}
		rc = lines_next(p->lines, &line, &p->failure);
		if (rc == 0)
			return;
		if (rc < 0) {
			p->input_ended = true;
			p->stopping |= p->failure.code != ERR_OK;
		} else if (!is_blank(line)) {
			add(p, line, lines_number(p->lines));
		}
	}
}
