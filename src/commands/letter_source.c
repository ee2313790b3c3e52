#include "commands/letter_source.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "salesforce/event.h"

#define AT_ONCE 64 /* delivered before the loop turns to others */

struct item {
	int64_t id;
	struct replay_id replay_id;
	bool keep;
};

struct letter_source {
	struct source source;
	struct letter_source_options o;
	struct item *items;
	size_t next, passed, kept, removed;
	struct event_decoder *decoder;
	struct avro_schema *schema; /* of the last letter that had one */
	char *schema_id;

	const struct source_events *events;
	void *context;
	uint32_t allowed;
	bool is_open, opened, closing, posted, idle_said;
};

/* ---- one letter, out of the store: delivering it may change the store */

struct copy {
	char *event_id, *schema_id, *schema_json, *payload, *org_id;
	struct event_raw raw;
	struct text json;
	bool found;
};

static bool
copy_letter(void *context, const struct dead_letter *l)
{
	struct copy *c = context;

	c->event_id = text_dup(l->event_id);
	c->schema_id = text_dup(l->schema_id);
	c->schema_json = text_dup(l->schema_json);
	c->payload = text_dup(l->payload);
	c->org_id = text_dup(l->org_id);
	c->json = text_span(c->schema_json, l->schema_json.len);
	c->raw = (struct event_raw){
		.replay_id = l->replay_id,
		.id = text_span(c->event_id, l->event_id.len),
		.schema_id = text_span(c->schema_id, l->schema_id.len),
		.payload = text_span(c->payload, l->payload.len),
		.org_id = text_span(c->org_id, l->org_id.len),
		.received_ms = l->received_ms,
	};
	c->found = true;
	return false;
}

static void
copy_release(struct copy *c)
{
	free(c->event_id);
	free(c->schema_id);
	free(c->schema_json);
	free(c->payload);
	free(c->org_id);
}

static struct avro_schema *
schema_of(struct letter_source *s, const struct copy *c, struct error *e)
{
	struct avro_schema *schema;

	if (c->json.len == 0)
		return s->o.schema(s->o.context, c->raw.schema_id, e);
	if (s->schema != NULL && text_is(c->raw.schema_id, s->schema_id) &&
	    text_equal(c->json, avro_schema_json(s->schema)))
		return s->schema;
	schema = avro_schema_parse(c->json, e);
	if (schema == NULL)
		return NULL;
	avro_schema_unref(s->schema);
	free(s->schema_id);
	s->schema = schema;
	s->schema_id = text_dup(c->raw.schema_id);
	return schema;
}

static void
deliver(struct letter_source *s, struct copy *c)
{
	struct error why = ERROR_INIT;
	struct avro_schema *schema;
	struct event event = {.is_change = false};

	c->raw.topic = text_of(s->source.topic);
	schema = schema_of(s, c, &why);
	if (schema == NULL)
		event_set_raw(&c->raw, &event);
	else if (event_decode(s->decoder, schema, &c->raw, &event, &why) == 0) {
		s->events->event(s->context, &event);
		return;
	}
	event.schema_json = schema != NULL ? avro_schema_json(schema) : c->json;
	why.code = ERR_REFUSED;
	s->events->undecodable(s->context, &event, &why);
}

/* ---- the port */

static void pump(void *context);

static void
post(struct letter_source *s)
{
	if (s->posted)
		return;
	s->posted = true;
	loop_post(s->o.loop, pump, s);
}

static void
end(struct letter_source *s, const struct error *why)
{
	s->is_open = false;
	s->events->ended(s->context, why);
}

static void
pump(void *context)
{
	struct letter_source *s = context;
	struct error e = ERROR_INIT;
	struct replay_id none = {.len = 0};

	s->posted = false;
	if (!s->is_open)
		return;
	if (s->closing) {
		end(s, &e);
		return;
	}
	if (!s->opened) {
		s->opened = true;
		s->events->opened(s->context);
	}
	for (int i = 0; i < AT_ONCE && s->allowed > 0 && s->next < s->o.count; i++) {
		struct dead_letter_filter filter = {.id = s->items[s->next].id};
		struct copy c = {.found = false};

		if (dead_letters_each(s->o.store, &filter, copy_letter, &c, &e) != 0) {
			end(s, &e);
			return;
		}
		s->next++;
		if (c.found) {
			s->allowed--;
			deliver(s, &c);
			copy_release(&c);
		}
		if (s->closing)
			break;
	}
	if (s->next == s->o.count && !s->closing && !s->idle_said) {
		s->idle_said = true;
		s->events->idle(s->context, &none);
	}
	if (s->closing || (s->allowed > 0 && s->next < s->o.count))
		post(s);
}

/* Behind the letter of that event, looked for from `from` on; 0: there is none. */
static size_t
place_behind(const struct letter_source *s, size_t from, const struct replay_id *id)
{
	for (size_t i = from; i < s->o.count; i++)
		if (replay_id_equal(&s->items[i].replay_id, id))
			return i + 1;
	return 0;
}

static void
source_open(struct source *source, const struct start *start, const struct source_events *events, void *context)
{
	struct letter_source *s = (struct letter_source *)source;

	s->events = events;
	s->context = context;
	s->next = start->kind == START_AFTER ? place_behind(s, 0, &start->after) : 0;
	s->allowed = 0;
	s->is_open = true;
	s->opened = s->closing = s->idle_said = false;
	post(s);
}

static void
source_allow(struct source *source, uint32_t events)
{
	struct letter_source *s = (struct letter_source *)source;

	s->allowed = events;
	if (s->is_open && events > 0)
		post(s);
}

static void
source_close(struct source *source)
{
	struct letter_source *s = (struct letter_source *)source;

	s->closing = true;
	post(s);
}

static const struct source_ops ops = {
	.open = source_open,
	.allow = source_allow,
	.close = source_close,
};

/* ---- what became of them */

void
letter_source_keep(struct letter_source *s, const struct replay_id *id)
{
	size_t at = place_behind(s, s->passed, id);

	if (at == 0 || s->items[at - 1].keep)
		return;
	s->items[at - 1].keep = true;
	s->kept++;
}

int
letter_source_passed(struct letter_source *s, const struct replay_id *id, struct error *e)
{
	size_t until = place_behind(s, s->passed, id);

	for (; s->passed < until; s->passed++) {
		struct item *item = &s->items[s->passed];
		int rc;

		if (item->keep)
			continue;
		rc = dead_letters_remove(s->o.store, item->id, e);
		if (rc < 0)
			return -1;
		s->removed += rc == 0;
	}
	return 0;
}

size_t
letter_source_kept(const struct letter_source *s)
{
	return s->kept;
}

size_t
letter_source_removed(const struct letter_source *s)
{
	return s->removed;
}

/* ---- the whole */

static bool
take_replay_id(void *context, const struct dead_letter *l)
{
	struct item *item = context;

	item->replay_id = l->replay_id;
	return false;
}

struct letter_source *
letter_source_new(const struct letter_source_options *o)
{
	struct letter_source *s = memory_zero(1, sizeof(*s));
	struct error ignored = ERROR_INIT;

	s->source = (struct source){.ops = &ops, .topic = o->topic};
	s->o = *o;
	s->items = memory_zero(o->count + 1, sizeof(*s->items));
	s->decoder = event_decoder_new(EVENT_ALL);
	for (size_t i = 0; i < o->count; i++) {
		struct dead_letter_filter filter = {.id = o->ids[i]};

		s->items[i].id = o->ids[i];
		/* what cannot be read now will be an error when it is delivered */
		dead_letters_each(o->store, &filter, take_replay_id, &s->items[i], &ignored);
	}
	return s;
}

struct source *
letter_source_source(struct letter_source *s)
{
	return &s->source;
}

void
letter_source_free(struct letter_source *s)
{
	if (s == NULL)
		return;
	s->is_open = false;
	while (s->posted)
		loop_step(s->o.loop, 10);
	event_decoder_free(s->decoder);
	avro_schema_unref(s->schema);
	free(s->schema_id);
	free(s->items);
	free(s);
}
