#include "salesforce/schemas.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "profile/schemas.h"
#include "salesforce/pubsub.h"
#include "salesforce/pubsub_client.h"

/* How long a final refusal is believed. */
#define REFUSAL_MS 60000

struct waiter {
	struct waiter *next;
	schema_cache_done *done;
	void *context;
};

struct entry {
	struct schema_cache *cache;
	char *id;
	size_t id_len;
	struct avro_schema *schema; /* NULL: not there */
	uint64_t used;
	bool fetching;
	struct error refusal; /* final; ERR_OK: none */
	int64_t refused_ms;
	struct waiter *waiters;
	struct loop_timer answer; /* tells a refusal that is known already */
};

struct schema_cache {
	struct pubsub *pubsub;
	struct profile *profile;
	struct entry **entries;
	size_t count, capacity;
	uint64_t clock; /* counts look-ups */
	struct entry *last;
};

struct schema_cache *
schema_cache_new(struct pubsub *p, struct profile *profile)
{
	struct schema_cache *c = memory_zero(1, sizeof(*c));

	c->pubsub = p;
	c->profile = profile;
	return c;
}

static void
entry_free(struct entry *n)
{
	while (n->waiters != NULL) {
		struct waiter *w = n->waiters;

		n->waiters = w->next;
		free(w);
	}
	loop_timer_stop(pubsub_loop(n->cache->pubsub), &n->answer);
	avro_schema_unref(n->schema);
	free(n->id);
	free(n);
}

void
schema_cache_free(struct schema_cache *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->count; i++)
		entry_free(c->entries[i]);
	free(c->entries);
	free(c);
}

static bool
entry_is(const struct entry *n, struct text id)
{
	return n->id_len == id.len && memcmp(n->id, id.data, id.len) == 0;
}

/* An organisation has tens of schemas: a list does. */
static struct entry *
find_entry(struct schema_cache *c, struct text id)
{
	if (c->last != NULL && entry_is(c->last, id))
		return c->last;
	for (size_t i = 0; i < c->count; i++)
		if (entry_is(c->entries[i], id))
			return c->last = c->entries[i];
	return NULL;
}

static bool
is_idle(const struct entry *n)
{
	return !n->fetching && n->waiters == NULL;
}

/* Makes room by dropping what was used least of late. */
static void
drop_oldest(struct schema_cache *c)
{
	size_t oldest = c->count;

	for (size_t i = 0; i < c->count; i++)
		if (is_idle(c->entries[i]) &&
		    (oldest == c->count || c->entries[i]->used < c->entries[oldest]->used))
			oldest = i;
	if (oldest == c->count)
		return;
	if (c->last == c->entries[oldest])
		c->last = NULL;
	entry_free(c->entries[oldest]);
	c->entries[oldest] = c->entries[--c->count];
}

static struct entry *
add_entry(struct schema_cache *c, struct text id)
{
	struct entry *n = memory_zero(1, sizeof(*n));

	if (c->count >= LIMIT_SCHEMAS_IN_MEMORY)
		drop_oldest(c);
	n->cache = c;
	n->id = memory_strndup(id.data != NULL ? id.data : "", id.len);
	n->id_len = id.len;
	n->used = ++c->clock;
	c->entries = memory_reserve(c->entries, &c->capacity, c->count + 1, sizeof(c->entries[0]));
	c->entries[c->count++] = n;
	return n;
}

static struct avro_schema *
load(struct schema_cache *c, struct text id)
{
	struct buffer json = BUFFER_INIT;
	struct avro_schema *schema = NULL;
	struct error e = ERROR_INIT;
	int rc = schemas_load(c->profile, id, &json, &e);

	if (rc == 0)
		schema = avro_schema_parse(buffer_span(&json), &e);
	if (rc < 0 || (rc == 0 && schema == NULL))
		log_debug("pubsub", "stored schema " TEXT_FORMAT " is of no use: %s", TEXT_ARGS(id),
		    e.text);
	buffer_release(&json);
	return schema;
}

struct avro_schema *
schema_cache_find(struct schema_cache *c, struct text schema_id)
{
	struct entry *n = find_entry(c, schema_id);
	struct avro_schema *schema;

	if (n != NULL && n->schema != NULL) {
		n->used = ++c->clock;
		return n->schema;
	}
	if (n != NULL || c->profile == NULL || (schema = load(c, schema_id)) == NULL)
		return NULL;
	n = add_entry(c, schema_id);
	n->schema = schema;
	return schema;
}

bool
schema_cache_is_final(enum error_code code)
{
	return code == ERR_FAILED || code == ERR_NOT_FOUND || code == ERR_PERMISSION ||
	       code == ERR_REFUSED || code == ERR_USAGE;
}

/* Tells all who wait. Each may ask again, or free its source, from inside. */
static void
tell(struct entry *n, const struct error *why)
{
	struct avro_schema *schema = n->schema != NULL ? avro_schema_ref(n->schema) : NULL;
	struct error copy = *why;

	/* one at a time off the list, so that schema_cache_forget finds the others; those who ask
	 * anew come behind */
	for (struct waiter *w, *last = n->waiters; last != NULL && (w = n->waiters) != NULL;) {
		struct waiter mine = *w;
		bool is_last = w == last;

		n->waiters = w->next;
		free(w);
		mine.done(mine.context, schema, &copy);
		if (is_last)
			break;
	}
	avro_schema_unref(schema);
}

static void
fetched(void *context, struct text json, const struct error *why)
{
	struct entry *n = context;
	struct schema_cache *c = n->cache;
	struct error e = *why;

	n->fetching = false;
	if (e.code == ERR_OK) {
		n->schema = avro_schema_parse(json, &e);
		if (n->schema == NULL)
			error_wrap(&e, "schema '%s'", n->id);
		else if (c->profile != NULL &&
			 schemas_store(c->profile, text_span(n->id, n->id_len), json, &e) != 0)
			log_warn("pubsub", "%s", e.text);
	}
	if (n->schema != NULL)
		error_clear(&e);
	if (schema_cache_is_final(e.code)) {
		n->refusal = e;
		n->refused_ms = clock_monotonic_ms(loop_clock(pubsub_loop(c->pubsub)));
	}
	tell(n, &e);
}

static void
answer_refusal(void *context)
{
	struct entry *n = context;

	if (!n->fetching)
		tell(n, &n->refusal);
}

void
schema_cache_fetch(
    struct schema_cache *c, struct text schema_id, schema_cache_done *done, void *context)
{
	struct loop *l = pubsub_loop(c->pubsub);
	struct entry *n = find_entry(c, schema_id);
	struct waiter *w = memory_zero(1, sizeof(*w)), **last;

	if (n == NULL)
		n = add_entry(c, schema_id);
	w->done = done;
	w->context = context;
	for (last = &n->waiters; *last != NULL; last = &(*last)->next)
		;
	*last = w;
	if (n->fetching)
		return;
	if (n->schema != NULL ||
	    (n->refusal.code != ERR_OK &&
		clock_monotonic_ms(loop_clock(l)) - n->refused_ms < REFUSAL_MS)) {
		loop_timer_start(l, &n->answer, 0, answer_refusal, n);
		return;
	}
	error_clear(&n->refusal);
	n->fetching = true;
	pubsub_get_schema(c->pubsub, schema_id, fetched, n);
}

void
schema_cache_forget(struct schema_cache *c, void *context)
{
	for (size_t i = 0; i < c->count; i++)
		for (struct waiter **at = &c->entries[i]->waiters; *at != NULL;) {
			struct waiter *w = *at;

			if (w->context == context) {
				*at = w->next;
				free(w);
			} else {
				at = &w->next;
			}
		}
}
