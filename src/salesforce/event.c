#include "salesforce/event.h"

#include <stdlib.h>
#include <string.h>

#include "avro/decode.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "base/memory.h"
#include "salesforce/bitmap.h"

/* The twelve fields of a ChangeEventHeader (wire/cdc-events.md §2.1), found by name. */
enum header_field {
	HEADER_ENTITY,
	HEADER_RECORD_IDS,
	HEADER_CHANGE_TYPE,
	HEADER_CHANGE_ORIGIN,
	HEADER_TRANSACTION_KEY,
	HEADER_SEQUENCE_NUMBER,
	HEADER_COMMIT_TIMESTAMP,
	HEADER_COMMIT_NUMBER,
	HEADER_COMMIT_USER,
	HEADER_NULLED,
	HEADER_DIFF,
	HEADER_CHANGED,
	HEADER_COUNT
};
static const char *const header_names[HEADER_COUNT] = {"entityName", "recordIds", "changeType",
    "changeOrigin", "transactionKey", "sequenceNumber", "commitTimestamp", "commitNumber",
    "commitUser", "nulledFields", "diffFields", "changedFields"};

/* What is compiled from one schema. */
struct plan {
	struct avro_schema *schema;
	struct avro_decoder *decoder;
	struct bitmap_names *names;
	const struct avro_type *record; /* NULL: the schema is no record */
	ptrdiff_t header, created;	/* positions of ChangeEventHeader and CreatedDate, or -1 */
	int32_t slots[HEADER_COUNT];	/* positions in the header, or -1 */
	size_t header_count;
	uint64_t used;
};

struct event_decoder {
	unsigned parts;
	struct plan **plans;
	size_t plan_count, plan_capacity;
	uint64_t clock; /* counts events: which plan was used last */
	struct plan *last;

	/* scratch, reused */
	struct avro_item *values;
	size_t values_capacity;
	struct avro_texts texts;
	struct buffer record, changed;
	struct text record_text; /* of the last event, when it was made */
	size_t *offsets;
	size_t offsets_capacity;
	struct bitmap_list names;
	struct text_list bitmaps[3]; /* of the last event: changed, nulled, diff */
	uint8_t *marks;		     /* by field: MARK_* */
	size_t marks_capacity;
	uint8_t *wanted; /* bits of children */
	size_t wanted_capacity;
};

enum { MARK_WHOLE = 1, MARK_CHILDREN = 2, MARK_NULLED = 4 };

struct event_decoder *
event_decoder_new(unsigned parts)
{
	struct event_decoder *d = memory_zero(1, sizeof(*d));

	d->parts = parts;
	return d;
}

static void
plan_free(struct plan *p)
{
	bitmap_names_free(p->names);
	avro_decoder_free(p->decoder);
	avro_schema_unref(p->schema);
	free(p);
}

void
event_decoder_free(struct event_decoder *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->plan_count; i++)
		plan_free(d->plans[i]);
	free(d->plans);
	free(d->values);
	avro_texts_release(&d->texts);
	buffer_release(&d->record);
	buffer_release(&d->changed);
	free(d->offsets);
	bitmap_list_release(&d->names);
	free(d->marks);
	free(d->wanted);
	free(d);
}

static struct plan *
plan_new(struct avro_schema *schema)
{
	struct plan *p = memory_zero(1, sizeof(*p));
	const struct avro_type *root = avro_schema_root(schema), *header;

	p->schema = avro_schema_ref(schema);
	p->decoder = avro_decoder_new(schema);
	p->header = p->created = -1;
	if (root->kind != AVRO_KIND_RECORD)
		return p;
	p->record = root;
	p->names = bitmap_names_new(root);
	p->created = avro_type_find(root, text_of("CreatedDate"));
	p->header = avro_type_find(root, text_of("ChangeEventHeader"));
	header = p->header >= 0 ? avro_type_record(root->fields[p->header].type) : NULL;
	if (header == NULL) {
		p->header = -1;
		return p;
	}
	p->header_count = header->count;
	for (int i = 0; i < HEADER_COUNT; i++)
		p->slots[i] = (int32_t)avro_type_find(header, text_of(header_names[i]));
	return p;
}

/* Schemas live as long as their plan, so that the pointer names the schema. */
static struct plan *
find_plan(struct event_decoder *d, struct avro_schema *schema)
{
	size_t oldest = 0;

	if (d->last != NULL && d->last->schema == schema)
		return d->last;
	for (size_t i = 0; i < d->plan_count; i++) {
		if (d->plans[i]->schema == schema)
			return d->last = d->plans[i];
		if (d->plans[i]->used < d->plans[oldest]->used)
			oldest = i;
	}
	if (d->plan_count >= LIMIT_SCHEMAS_IN_MEMORY) {
		plan_free(d->plans[oldest]);
		d->plans[oldest] = d->plans[--d->plan_count];
	}
	d->plans =
	    memory_reserve(d->plans, &d->plan_capacity, d->plan_count + 1, sizeof(struct plan *));
	return d->last = d->plans[d->plan_count++] = plan_new(schema);
}

void
event_set_raw(const struct event_raw *raw, struct event *out)
{
	*out = (struct event){
	    .topic = raw->topic,
	    .replay_id = raw->replay_id,
	    .id = raw->id,
	    .schema_id = raw->schema_id,
	    .payload = raw->payload,
	    .org_id = raw->org_id,
	    .received_ms = raw->received_ms,
	};
}

static const struct avro_item *
slot(const struct event_decoder *d, const struct plan *p, enum header_field f)
{
	static const struct avro_item none;

	return p->slots[f] >= 0 ? &d->values[p->slots[f]] : &none;
}

/* data == NULL when the header has no such text. */
static struct text
header_text(const struct event_decoder *d, const struct plan *p, enum header_field f)
{
	return slot(d, p, f)->text;
}

static struct text
or_unknown(struct text t)
{
	return t.data != NULL ? t : text_of("UNKNOWN");
}

/* The lists stand one behind the other in d->names; their pointers are set when all are there. */
static void
set_names(struct event_decoder *d, const struct plan *p, struct text_list out[3])
{
	struct bitmap_list *names = &d->names;

	names->count = 0;
	for (int i = 0; i < 3; i++) {
		size_t start = names->count;

		bitmap_expand(p->names, d->bitmaps[i], names);
		out[i].count = names->count - start;
	}
	out[0].items = names->names;
	for (int i = 1; i < 3; i++)
		out[i].items =
		    out[i - 1].items != NULL ? out[i - 1].items + out[i - 1].count : NULL;
}

static void
set_header(struct event_decoder *d, const struct plan *p, struct event *out)
{
	static const enum header_field bitmaps[3] = {HEADER_CHANGED, HEADER_NULLED, HEADER_DIFF};
	struct text_list lists[3];

	out->is_change = true;
	out->entity = or_unknown(header_text(d, p, HEADER_ENTITY));
	out->change_type = or_unknown(header_text(d, p, HEADER_CHANGE_TYPE));
	out->is_gap = text_starts(out->change_type, "GAP_");
	out->change_origin = header_text(d, p, HEADER_CHANGE_ORIGIN);
	if (out->change_origin.data == NULL)
		out->change_origin = text_of("");
	out->transaction_key = header_text(d, p, HEADER_TRANSACTION_KEY);
	out->commit_user = header_text(d, p, HEADER_COMMIT_USER);
	out->sequence_number = (int32_t)slot(d, p, HEADER_SEQUENCE_NUMBER)->number;
	out->commit_timestamp_ms = slot(d, p, HEADER_COMMIT_TIMESTAMP)->number;
	out->commit_number = slot(d, p, HEADER_COMMIT_NUMBER)->number;
	out->record_ids = slot(d, p, HEADER_RECORD_IDS)->texts;
	for (int i = 0; i < 3; i++)
		d->bitmaps[i] = slot(d, p, bitmaps[i])->texts;
	set_names(d, p, lists);
	out->changed_fields = lists[0];
	out->nulled_fields = lists[1];
	out->diff_fields = lists[2];
}

static void
set_no_header(struct event *out)
{
	out->is_change = false;
	out->entity = out->change_type = text_of("UNKNOWN");
	out->change_origin = text_of("");
}

enum change { CHANGE_WHOLE, CHANGE_PART, CHANGE_NOTHING };

/* How much of the record changed_json holds. */
static enum change
change_of(const struct event *event)
{
	if (text_is(event->change_type, "UPDATE"))
		return CHANGE_PART;
	if (text_is(event->change_type, "DELETE") || text_starts(event->change_type, "GAP_"))
		return CHANGE_NOTHING;
	return CHANGE_WHOLE;
}

/* CreatedDate is read and then read again as a member: it is the first of a platform event's few
 * fields. */
static int
read_created(struct event_decoder *d, const struct plan *p, struct avro_cursor *c,
    struct event *out, struct error *e)
{
	struct avro_cursor ahead = *c;
	struct avro_item v;

	if (avro_cursor_value(&ahead, (size_t)p->created, &v, &d->texts, e) != 0)
		return -1;
	if (v.kind == AVRO_ITEM_NUMBER)
		out->commit_timestamp_ms = v.number;
	return 0;
}

/*
 * Members appended with a comma before each become an object: the first comma is the bracket.
 */
static struct text
close_object(struct buffer *b)
{
	if (b->len == 0)
		buffer_append_byte(b, '{');
	b->data[0] = '{';
	buffer_append_byte(b, '}');
	return buffer_span(b);
}

static int
read_body(struct event_decoder *d, const struct plan *p, struct avro_cursor *c, struct event *out,
    struct error *e)
{
	size_t from = 0, count = p->record->count;
	struct buffer *json = d->parts != 0 ? &d->record : NULL;
	bool present = false;

	if (p->header >= 0) {
		size_t header = (size_t)p->header;

		if (avro_cursor_members(c, 0, header, json, d->offsets, e) != 0 ||
		    avro_cursor_record(c, header, d->values, &present, &d->texts, e) != 0)
			return -1;
		from = header + 1;
	}
	if (present)
		set_header(d, p, out);
	else
		set_no_header(out);
	/* only a whole record's JSON of what changed is the record's own; a part is read from the
	 * payload again */
	if ((d->parts & EVENT_RECORD_JSON) == 0 && change_of(out) != CHANGE_WHOLE)
		json = NULL;
	if (!present && p->created >= (ptrdiff_t)from) {
		if (avro_cursor_members(c, from, (size_t)p->created, json, d->offsets, e) != 0 ||
		    read_created(d, p, c, out, e) != 0)
			return -1;
		from = (size_t)p->created;
	}
	if (avro_cursor_members(c, from, count, json, d->offsets, e) != 0 ||
	    avro_cursor_end(c, e) != 0)
		return -1;
	if (json != NULL)
		d->record_text = close_object(json);
	return 0;
}

/* For each field how it stands in the three lists. */
static void
set_marks(struct event_decoder *d, const struct plan *p, const struct event *out)
{
	size_t nulled_from = out->changed_fields.count,
	       nulled_to = nulled_from + out->nulled_fields.count;

	d->marks = memory_reserve(d->marks, &d->marks_capacity, p->record->count, 1);
	memset(d->marks, 0, p->record->count);
	for (size_t i = 0; i < d->names.count; i++) {
		struct bitmap_place place = d->names.places[i];

		if (place.field < 0 || place.field == p->header)
			continue;
		if (place.child >= 0)
			d->marks[place.field] |= MARK_CHILDREN;
		else
			d->marks[place.field] |=
			    i >= nulled_from && i < nulled_to ? MARK_NULLED : MARK_WHOLE;
	}
}

static void
set_wanted(struct event_decoder *d, size_t field, size_t children)
{
	size_t bytes = children / 8 + 1;

	d->wanted = memory_reserve(d->wanted, &d->wanted_capacity, bytes, 1);
	memset(d->wanted, 0, bytes);
	for (size_t i = 0; i < d->names.count; i++) {
		struct bitmap_place place = d->names.places[i];

		if (place.field == (int32_t)field && place.child >= 0)
			d->wanted[place.child / 8] |= (uint8_t)(1u << place.child % 8);
	}
}

static int
append_changed(struct event_decoder *d, const struct plan *p, struct avro_cursor *c, size_t field,
    struct error *e)
{
	const struct avro_type *compound = avro_type_record(p->record->fields[field].type);
	struct avro_cursor again = *c;

	if (d->marks[field] == MARK_CHILDREN && compound != NULL) {
		avro_cursor_key(c, field, &d->changed);
		set_wanted(d, field, compound->count);
		return avro_cursor_children(c, field, d->offsets[field], d->wanted, &d->changed, e);
	}
	if (d->marks[field] & MARK_NULLED) {
		avro_cursor_key(c, field, &d->changed);
		buffer_append(&d->changed, "null", 4);
		return 0;
	}
	again.at = d->offsets[field];
	return avro_cursor_members(&again, field, field + 1, &d->changed, NULL, e);
}

static int
set_changed_json(struct event_decoder *d, const struct plan *p, struct avro_cursor *c,
    struct event *out, struct error *e)
{
	switch (change_of(out)) {
	case CHANGE_WHOLE:
		out->changed_json = d->record_text;
		return 0;
	case CHANGE_NOTHING:
		out->changed_json = text_of("{}");
		return 0;
	case CHANGE_PART:
		break;
	}
	set_marks(d, p, out);
	buffer_clear(&d->changed);
	for (size_t i = 0; i < p->record->count; i++)
		if (d->marks[i] != 0 && append_changed(d, p, c, i, e) != 0)
			return -1;
	out->changed_json = close_object(&d->changed);
	return 0;
}

static int
decode(struct event_decoder *d, struct plan *p, const struct event_raw *raw, struct event *out,
    struct error *e)
{
	struct avro_cursor c;

	if (avro_cursor_begin(&c, p->decoder, raw->payload, e) != 0)
		return -1;
	d->offsets = memory_reserve(
	    d->offsets, &d->offsets_capacity, p->record->count + 1, sizeof(*d->offsets));
	d->values =
	    memory_reserve(d->values, &d->values_capacity, p->header_count + 1, sizeof(*d->values));
	d->texts.count = 0;
	buffer_clear(&d->record);
	d->record_text = (struct text){0};
	memset(d->bitmaps, 0, sizeof(d->bitmaps));
	d->names.count = 0;
	if (read_body(d, p, &c, out, e) != 0)
		return -1;
	if (d->parts & EVENT_RECORD_JSON)
		out->record_json = d->record_text;
	if (d->parts & EVENT_CHANGED_JSON)
		return set_changed_json(d, p, &c, out, e);
	return 0;
}

int
event_decode(struct event_decoder *d, struct avro_schema *schema, const struct event_raw *raw,
    struct event *out, struct error *e)
{
	struct plan *p = find_plan(d, schema);

	p->used = ++d->clock;
	event_set_raw(raw, out);
	out->schema_json = avro_schema_json(schema);
	out->record_name = avro_schema_record_name(schema);
	if (decode(d, p, raw, out, e) == 0)
		return 0;
	event_set_raw(raw, out);
	out->schema_json = avro_schema_json(schema); /* set aside with it */
	memset(d->bitmaps, 0, sizeof(d->bitmaps));
	return -1;
}
