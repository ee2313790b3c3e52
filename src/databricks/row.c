#include "databricks/row.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/limits.h"
#include "base/memory.h"
#include "databricks/descriptor.h"
#include "databricks/table_layout.h"
#include "databricks/zerobus_wire.h"

/* Where a column's value is in struct event. */
enum origin {
	ORIGIN_TEXT,
	ORIGIN_LIST,
	ORIGIN_REPLAY_ID,
	ORIGIN_SCHEMA,
	ORIGIN_NUMBER,
	ORIGIN_SEQUENCE,
	ORIGIN_COMMIT_TIME,
	ORIGIN_NOW
};

static const struct {
	enum origin from;
	size_t offset; /* ORIGIN_TEXT, ORIGIN_LIST */
} origins[EVENT_COLUMN_COUNT] = {
#define TEXT(column, member) [COLUMN_##column] = {ORIGIN_TEXT, offsetof(struct event, member)}
#define LIST(column, member) [COLUMN_##column] = {ORIGIN_LIST, offsetof(struct event, member)}
    TEXT(event_id, id),
    TEXT(schema_id, schema_id),
    [COLUMN_replay_id] = {ORIGIN_REPLAY_ID, 0},
    [COLUMN_timestamp] = {ORIGIN_COMMIT_TIME, 0},
    TEXT(change_type, change_type),
    TEXT(entity_name, entity),
    TEXT(change_origin, change_origin),
    LIST(record_ids, record_ids),
    LIST(changed_fields, changed_fields),
    LIST(nulled_fields, nulled_fields),
    LIST(diff_fields, diff_fields),
    TEXT(record_data_json, record_json),
    TEXT(payload_binary, payload),
    [COLUMN_schema_json] = {ORIGIN_SCHEMA, 0},
    TEXT(org_id, org_id),
    [COLUMN_processed_timestamp] = {ORIGIN_NOW, 0},
    TEXT(topic, topic),
    [COLUMN_commit_timestamp] = {ORIGIN_COMMIT_TIME, 0},
    [COLUMN_commit_number] = {ORIGIN_NUMBER, 0},
    TEXT(commit_user, commit_user),
    TEXT(transaction_key, transaction_key),
    [COLUMN_sequence_number] = {ORIGIN_SEQUENCE, 0},
    TEXT(changed_json, changed_json),
#undef TEXT
#undef LIST
};

/* What is done to a value before it is written. */
enum convert {
	CONVERT_NONE,
	CONVERT_BASE64,	   /* bytes → text */
	CONVERT_QUOTE,	   /* text → JSON string, for VARIANT */
	CONVERT_LIST_JSON, /* list → JSON array */
	CONVERT_DIGITS,	   /* integer → text */
	CONVERT_MICROS,	   /* ms → µs */
	CONVERT_RFC3339,   /* ms → text */
};

struct step {
	enum event_column_id id;
	enum origin from;
	enum convert convert;
	size_t offset;
	uint8_t tag[5]; /* PROTO */
	uint8_t tag_len;
	bool required;
	int64_t min, max; /* of an integer; of a text, max characters (0: any number) */
	struct text key;  /* JSON: `"name":` */
};

/* The last schema id written for a kind of record. */
struct seen {
	char *record;
	char schema_id[LIMIT_SCHEMA_ID_BYTES];
	size_t record_len, schema_id_len;
};

struct row_writer {
	struct row_options options;
	struct step *steps;
	size_t step_count;
	bool *columns;
	struct buffer scratch; /* a converted value */
	struct seen *seen;     /* SCHEMA_JSON_ONCE: open addressing by record name */
	size_t seen_count;
};

#define SEEN_SLOTS (2 * (size_t)LIMIT_SCHEMAS_IN_MEMORY)

/* A value on its way: what form says which member holds it. */
struct value {
	enum { FORM_NONE, FORM_TEXT, FORM_LIST, FORM_INT } form;
	struct text text;
	const struct text_list *list;
	int64_t number;
};

static enum convert
choose_conversion(
    const struct event_column *known, const struct delta_type *t, enum row_format format)
{
	bool text = t->kind == DELTA_STRING || t->kind == DELTA_VARCHAR;

	switch (known->value) {
	case VALUE_TEXT:
		return t->kind == DELTA_VARIANT ? CONVERT_QUOTE : CONVERT_NONE;
	case VALUE_JSON:
		return CONVERT_NONE;
	case VALUE_LIST:
		return t->kind == DELTA_ARRAY ? CONVERT_NONE : CONVERT_LIST_JSON;
	case VALUE_BYTES:
		return text || format == ROW_JSON ? CONVERT_BASE64 : CONVERT_NONE;
	case VALUE_INT:
		return text || t->kind == DELTA_DECIMAL ? CONVERT_DIGITS : CONVERT_NONE;
	case VALUE_TIME:
		if (text)
			return CONVERT_RFC3339;
		return t->kind == DELTA_LONG ? CONVERT_NONE : CONVERT_MICROS;
	}
	return CONVERT_NONE;
}

static void
set_bounds(struct step *s, const struct delta_type *t)
{
	const struct delta_type *item = t->kind == DELTA_ARRAY ? t->element : t;

	s->min = INT64_MIN;
	s->max = INT64_MAX;
	switch (item->kind) {
	case DELTA_BYTE:
		s->min = INT8_MIN;
		s->max = INT8_MAX;
		break;
	case DELTA_SHORT:
		s->min = INT16_MIN;
		s->max = INT16_MAX;
		break;
	case DELTA_INT:
		s->min = INT32_MIN;
		s->max = INT32_MAX;
		break;
	case DELTA_DECIMAL:
		if (item->precision >= 19)
			break;
		s->max = 1;
		for (int i = 0; i < item->precision; i++)
			s->max *= 10;
		s->max--;
		s->min = -s->max;
		break;
	case DELTA_STRING:
		s->max = 0;
		break;
	case DELTA_VARCHAR:
		s->max = item->precision;
		break;
	default:
		if (descriptor_scalar(item->kind) == PROTO_STRING || item->kind == DELTA_BINARY)
			s->max = 0;
		break;
	}
}

static void
compile_step(
    struct step *s, const struct delta_column *c, enum event_column_id id, enum row_format format)
{
	enum proto_type proto =
	    descriptor_scalar(c->type.kind == DELTA_ARRAY ? c->type.element->kind : c->type.kind);
	unsigned wire = proto == PROTO_STRING || proto == PROTO_BYTES ? WIRE_BYTES : WIRE_VARINT;
	struct buffer key = BUFFER_INIT;

	*s = (struct step){.id = id,
	    .from = origins[id].from,
	    .offset = origins[id].offset,
	    .convert = choose_conversion(&event_columns[id], &c->type, format),
	    .required = !c->nullable};
	s->tag_len = (uint8_t)(wire_put_varint(
				   s->tag, (uint64_t)descriptor_number(c->position) << 3 | wire) -
			       s->tag);
	set_bounds(s, &c->type);
	json_text_string(&key, text_of(c->name));
	buffer_append_byte(&key, ':');
	s->key.len = key.len;
	s->key.data = buffer_detach(&key);
}

static int
misfit(const struct delta_table *t, const struct delta_column *c, const char *why, struct error *e)
{
	struct buffer sql = BUFFER_INIT;
	char name[128], type[128];

	delta_type_write_sql(&sql, &c->type);
	error_set(e, ERR_MISFIT, "column '%s' (%s) of table '%s' %s",
	    text_clean(name, sizeof(name), text_of(c->name)),
	    text_clean(type, sizeof(type), buffer_span(&sql)), t->full_name, why);
	buffer_release(&sql);
	return fit_hint(t, e);
}

static int
compile_column(struct row_writer *w, const struct delta_table *t, size_t i, struct error *e)
{
	const struct delta_column *c = &t->columns[i];
	int id = event_column_find(c->name);
	char why[160];

	if (c->generated)
		return misfit(t, c, "is GENERATED, which Zerobus cannot write to", e);
	if (id < 0 || !delta_name_is_plain(c->name)) {
		if (!c->nullable)
			return misfit(t, c, "is NOT NULL and there is no value for it", e);
		return 0;
	}
	if (!event_column_takes(&event_columns[id], &c->type)) {
		snprintf(why, sizeof(why), "cannot hold its value, which needs %s",
		    event_column_types(&event_columns[id]));
		return misfit(t, c, why, e);
	}
	if (id == COLUMN_schema_json && w->options.schema_json != SCHEMA_JSON_EVERY && !c->nullable)
		return misfit(t, c, "is NOT NULL, which takes --schema-json every", e);
	if (id == COLUMN_schema_json && w->options.schema_json == SCHEMA_JSON_NEVER)
		return 0;
	w->columns[i] = true;
	compile_step(&w->steps[w->step_count++], c, (enum event_column_id)id, w->options.format);
	return 0;
}

struct row_writer *
row_writer_new(const struct delta_table *t, const struct row_options *o, struct error *e)
{
	struct row_writer *w = memory_zero(1, sizeof(*w));

	w->options = *o;
	if (w->options.max_bytes == 0)
		w->options.max_bytes = LIMIT_ROW_BYTES;
	w->steps = memory_zero(t->column_count + 1, sizeof(*w->steps));
	w->columns = memory_zero(t->column_count + 1, sizeof(*w->columns));
	if (o->schema_json == SCHEMA_JSON_ONCE)
		w->seen = memory_zero(SEEN_SLOTS, sizeof(*w->seen));
	for (size_t i = 0; i < t->column_count; i++)
		if (compile_column(w, t, i, e) != 0)
			goto failed;
	if (w->step_count == 0) {
		error_set(e, ERR_MISFIT, "table '%s' has none of the columns that sfzb writes",
		    t->full_name);
		fit_hint(t, e);
		goto failed;
	}
	return w;
failed:
	row_writer_free(w);
	return NULL;
}

void
row_writer_free(struct row_writer *w)
{
	if (w == NULL)
		return;
	row_writer_restart(w);
	for (size_t i = 0; i < w->step_count; i++)
		free((char *)w->steps[i].key.data);
	free(w->steps);
	free(w->columns);
	free(w->seen);
	buffer_release(&w->scratch);
	free(w);
}

const bool *
row_writer_columns(const struct row_writer *w)
{
	return w->columns;
}

void
row_writer_restart(struct row_writer *w)
{
	if (w->seen == NULL || w->seen_count == 0)
		return;
	for (size_t i = 0; i < SEEN_SLOTS; i++)
		free(w->seen[i].record);
	memset(w->seen, 0, SEEN_SLOTS * sizeof(*w->seen));
	w->seen_count = 0;
}

/* The slot of a kind of record: its own, or the free one it would take. */
static struct seen *
find_seen(struct row_writer *w, struct text record)
{
	for (size_t at = text_hash(record) % SEEN_SLOTS;; at = (at + 1) % SEEN_SLOTS) {
		struct seen *s = &w->seen[at];

		if (s->record == NULL || text_equal(text_span(s->record, s->record_len), record))
			return s;
	}
}

static bool
schema_is_due(struct row_writer *w, const struct event *event)
{
	const struct seen *s;

	if (w->seen == NULL)
		return true;
	s = find_seen(w, event->record_name);
	return s->record == NULL ||
	       !text_equal(text_span(s->schema_id, s->schema_id_len), event->schema_id);
}

/* After the row is written: a refused one must not count. */
static void
note_schema(struct row_writer *w, const struct event *event)
{
	struct seen *s;

	if (w->seen == NULL || event->schema_id.len > LIMIT_SCHEMA_ID_BYTES)
		return;
	if (w->seen_count == LIMIT_SCHEMAS_IN_MEMORY)
		row_writer_restart(w);
	s = find_seen(w, event->record_name);
	if (s->record == NULL) {
		s->record = text_dup(event->record_name);
		s->record_len = event->record_name.len;
		w->seen_count++;
	}
	memcpy(s->schema_id, event->schema_id.data, event->schema_id.len);
	s->schema_id_len = event->schema_id.len;
}

static void
take_text(struct value *v, struct text t)
{
	v->text = t;
	v->form = t.data != NULL ? FORM_TEXT : FORM_NONE;
}

static void
take_int(struct value *v, bool present, int64_t number)
{
	v->number = number;
	v->form = present ? FORM_INT : FORM_NONE;
}

/* hex is of REPLAY_ID_TEXT_SIZE bytes. */
static void
fetch(struct row_writer *w, const struct step *s, const struct event *event, char *hex,
    struct value *v)
{
	const char *base = (const char *)event;

	switch (s->from) {
	case ORIGIN_TEXT:
		take_text(v, *(const struct text *)(const void *)(base + s->offset));
		break;
	case ORIGIN_LIST:
		v->list = (const struct text_list *)(const void *)(base + s->offset);
		v->form = FORM_LIST;
		break;
	case ORIGIN_REPLAY_ID:
		replay_id_hex(hex, &event->replay_id);
		take_text(v, text_span(hex, 2 * (size_t)event->replay_id.len));
		break;
	case ORIGIN_SCHEMA:
		take_text(v, schema_is_due(w, event) ? event->schema_json : text_span(NULL, 0));
		break;
	case ORIGIN_NUMBER:
		take_int(v, event->is_change, event->commit_number);
		break;
	case ORIGIN_SEQUENCE:
		take_int(v, event->is_change, event->sequence_number);
		break;
	case ORIGIN_COMMIT_TIME:
		take_int(v, true, event->commit_timestamp_ms);
		break;
	case ORIGIN_NOW:
		take_int(v, true, clock_wall_ms(w->options.clock));
		break;
	}
}

static void
write_list_json(struct buffer *out, const struct text_list *list)
{
	buffer_append_byte(out, '[');
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		json_text_string(out, list->items[i]);
	}
	buffer_append_byte(out, ']');
}

static int
refuse(const struct step *s, struct error *e, const char *why)
{
	return error_set(
	    e, ERR_REFUSED, "the value of column '%s' %s", event_columns[s->id].name, why);
}

static int
check_int(const struct step *s, const struct value *v, struct error *e)
{
	/* a STRING holds any number: its max is a length */
	if (s->convert == CONVERT_DIGITS && s->min == INT64_MIN)
		return 0;
	if (v->number < s->min || v->number > s->max)
		return error_set(e, ERR_REFUSED,
		    "the value %" PRId64 " of column '%s' is out of its type's range", v->number,
		    event_columns[s->id].name);
	return 0;
}

static int
convert(struct row_writer *w, const struct step *s, struct value *v, struct error *e)
{
	struct buffer *b = &w->scratch;
	char time[CLOCK_TIME_SIZE];

	if (v->form == FORM_INT && s->convert <= CONVERT_DIGITS && check_int(s, v, e) != 0)
		return -1;
	if (s->convert == CONVERT_NONE)
		return 0;
	buffer_clear(b);
	switch (s->convert) {
	case CONVERT_NONE:
		break;
	case CONVERT_BASE64:
		buffer_append_base64(b, v->text.data, v->text.len);
		break;
	case CONVERT_QUOTE:
		json_text_string(b, v->text);
		break;
	case CONVERT_LIST_JSON:
		write_list_json(b, v->list);
		break;
	case CONVERT_DIGITS:
		json_text_int64(b, v->number);
		break;
	case CONVERT_MICROS:
		if (v->number > INT64_MAX / 1000 || v->number < INT64_MIN / 1000)
			return refuse(s, e, "is a time out of range");
		v->number *= 1000;
		return 0;
	case CONVERT_RFC3339:
		clock_format_time(time, v->number);
		buffer_append_text(b, time);
		break;
	}
	/* an empty value still is one: its data must not be NULL */
	take_text(v, text_span(buffer_text(b), b->len));
	return 0;
}

/* VARCHAR(n) counts characters. */
static int
check_length(const struct step *s, struct text t, struct error *e)
{
	size_t characters = 0;

	if (s->max == 0 || s->max == INT64_MAX || t.len <= (size_t)s->max)
		return 0;
	for (size_t i = 0; i < t.len; i++)
		characters += ((unsigned char)t.data[i] & 0xC0) != 0x80;
	return characters > (size_t)s->max ? refuse(s, e, "is longer than its VARCHAR") : 0;
}

static void
put_tagged(const struct step *s, struct text t, struct buffer *out)
{
	uint8_t *p;

	buffer_reserve(out, sizeof(s->tag) + WIRE_VARINT_MAX + t.len);
	p = out->data + out->len;
	memcpy(p, s->tag, s->tag_len);
	p = wire_put_varint(p + s->tag_len, t.len);
	if (t.len > 0)
		memcpy(p, t.data, t.len);
	out->len = (size_t)(p + t.len - out->data);
}

static int
put_proto(const struct step *s, const struct value *v, struct buffer *out, struct error *e)
{
	if (v->form == FORM_INT) {
		buffer_append(out, s->tag, s->tag_len);
		wire_varint(out, (uint64_t)v->number);
	} else if (v->form == FORM_TEXT) {
		if (check_length(s, v->text, e) != 0)
			return -1;
		put_tagged(s, v->text, out);
	} else {
		for (size_t i = 0; i < v->list->count; i++) {
			if (check_length(s, v->list->items[i], e) != 0)
				return -1;
			put_tagged(s, v->list->items[i], out);
		}
	}
	return 0;
}

static int
put_json(const struct step *s, const struct value *v, struct buffer *out, struct error *e)
{
	buffer_append(out, s->key.data, s->key.len);
	if (v->form == FORM_INT) {
		json_text_int64(out, v->number);
	} else if (v->form == FORM_TEXT) {
		if (check_length(s, v->text, e) != 0)
			return -1;
		json_text_string(out, v->text);
	} else {
		for (size_t i = 0; i < v->list->count; i++)
			if (check_length(s, v->list->items[i], e) != 0)
				return -1;
		write_list_json(out, v->list);
	}
	buffer_append_byte(out, ',');
	return 0;
}

static int
run_step(struct row_writer *w, const struct step *s, const struct event *event, struct buffer *out,
    bool *schema_written, struct error *e)
{
	char hex[REPLAY_ID_TEXT_SIZE];
	struct value v = {.form = FORM_NONE};

	fetch(w, s, event, hex, &v);
	if (v.form == FORM_NONE)
		return s->required ? refuse(s, e, "is missing, and the column is NOT NULL") : 0;
	if (convert(w, s, &v, e) != 0)
		return -1;
	if (s->from == ORIGIN_SCHEMA)
		*schema_written = true;
	return w->options.format == ROW_JSON ? put_json(s, &v, out, e) : put_proto(s, &v, out, e);
}

int
row_writer_encode(
    struct row_writer *w, const struct event *event, struct buffer *out, struct error *e)
{
	size_t start = out->len;
	bool schema_written = false;

	if (w->options.format == ROW_JSON)
		buffer_append_byte(out, '{');
	for (size_t i = 0; i < w->step_count; i++) {
		if (run_step(w, &w->steps[i], event, out, &schema_written, e) != 0)
			goto refused;
		if (out->len - start > w->options.max_bytes)
			goto too_large;
	}
	if (w->options.format == ROW_JSON) {
		out->len -= out->data[out->len - 1] == ',';
		buffer_append_byte(out, '}');
	}
	if (out->len - start > w->options.max_bytes)
		goto too_large;
	if (schema_written)
		note_schema(w, event);
	return 0;
too_large:
	error_set(e, ERR_REFUSED,
	    "the row is larger than %zu bytes, the most that one record may have",
	    w->options.max_bytes);
refused:
	out->len = start;
	return -1;
}
