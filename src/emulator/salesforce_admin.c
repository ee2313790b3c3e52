/* The Salesforce half's share of the admin listener: making events, changing schemas, listing what was published. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/change_event.h"
#include "emulator/raw_events.h"
#include "emulator/salesforce.h"

/* --- events --------------------------------------------------------------------------------------- */

/* Many lines, or one that begins as a raw event does. */
static bool
is_raw(struct text body)
{
	const char *newline = body.len > 0 ? memchr(body.data, '\n', body.len) : NULL;

	return text_starts(body, "{\"schema_id\"") || text_starts(body, "{\"topic\"") ||
	    (newline && (size_t)(newline - body.data) + 1 < body.len && newline[1] == '{');
}

static void
publish_raw(struct salesforce *s, const struct web_request *r, struct http_answer *a)
{
	struct error e = ERROR_INIT;
	struct json *j;
	uint64_t count;

	if (raw_events_publish(s->org, s->bus, r->query->body, &count, &e) != 0) {
		web_refuse(a, e.code == ERR_REFUSED ? 400 : 500, e.text);
		return;
	}
	j = json_object();
	json_set_int64(j, "made", (int64_t)count);
	json_set_int64(j, "published", (int64_t)bus_published(s->bus));
	web_json(a, 200, j);
}

/* "Account" → its number; -1 and an answer: the org has no such object. */
static int
find_object(struct salesforce *s, const char *name, struct http_answer *a)
{
	for (int i = 0; i < ENTITY_COUNT; i++)
		if (strcmp(schema_sources[i].object, name) == 0 && org_is_selected(s->org, (enum entity)i))
			return i;
	web_text(a, 400, NULL, "the org has no such object\n");
	return -1;
}

/* What kind of events are asked for; false: the answer is made. */
static bool
read_wish(struct salesforce *s, const struct json *q, struct org_wish *wish, struct http_answer *a)
{
	const char *object = json_find_string(q, "object"), *type = json_find_string(q, "type");

	*wish = (struct org_wish){ .entity = -1, .type = -1 };
	if (object && (wish->entity = find_object(s, object, a)) < 0)
		return false;
	if (!type)
		return true;
	wish->type = change_type_find(type);
	if (wish->type >= 0 && wish->entity != ENTITY_ORDER_EVENT)
		return true;
	web_text(a, 400, NULL, wish->type < 0 ? "type must be CREATE, UPDATE, DELETE, UNDELETE, GAP_CREATE, …, GAP_OVERFLOW\n"
					      : "platform events have no change type\n");
	return false;
}

static void
make_some(struct salesforce *s, const struct web_request *r, struct http_answer *a)
{
	struct error e = ERROR_INIT;
	struct json *q = json_parse(r->query->body, &e), *j;
	int64_t count = json_find_int64(q, "count", 0);
	double rate = json_number(json_find(q, "rate"), -1);
	struct org_wish wish;

	if (!q || !json_is_object(q) || count < 0 || count > 100000000 ||
	    (count == 0 && (rate < 0 || rate > 1000000))) {
		web_text(a, 400, NULL, "{\"count\": N} or {\"rate\": events a second} is expected\n");
	} else if (!read_wish(s, q, &wish, a)) {
		;
	} else if (org_make(s->org, (uint64_t)count, &wish, &e) != 0) {
		web_refuse(a, e.code == ERR_REFUSED ? 409 : 500, e.text);
	} else {
		if (rate >= 0)
			org_set_rate(s->org, rate);
		j = json_object();
		json_set_int64(j, "made", count);
		json_set_int64(j, "published", (int64_t)bus_published(s->bus));
		web_json(a, 200, j);
	}
	json_free(q);
}

static void
make_events(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;

	if (is_raw(r->query->body))
		publish_raw(s, r, a);
	else
		make_some(s, r, a);
}

/* --- schemas -------------------------------------------------------------------------------------- */

static struct json *
schema_json(struct salesforce *s, const struct schema *x)
{
	struct json *j = json_object();

	json_set_string(j, "object", schema_sources[x->entity].object);
	json_set_string(j, "schema_id", x->id);
	json_set_int64(j, "fields", (int64_t)x->type.types[0].count);
	json_set_bool(j, "current", schema_store_current(org_schemas(s->org), x->entity) == x);
	return j;
}

/* The newest version of each object. */
static void
list_schemas(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	struct json *list = json_array();

	(void)r;
	for (int i = 0; i < ENTITY_COUNT; i++)
		if (org_is_selected(s->org, (enum entity)i))
			json_add(list, schema_json(s, schema_store_current(org_schemas(s->org), (enum entity)i)));
	web_json(a, 200, list);
}

/* {"object": "Account", "add": "Region__c", "type": "Text"} or {"object": "Account", "drop": "Fax"} */
static void
change_schema(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	struct error e = ERROR_INIT;
	struct json *q = json_parse(r->query->body, &e);
	const char *object = json_find_string(q, "object"), *add = json_find_string(q, "add");
	const char *drop = json_find_string(q, "drop"), *type = json_find_string(q, "type");
	struct schema_change c = { .drops = drop != NULL };
	int entity;

	if (!object || !add == !drop || strlen(add ? add : drop) >= sizeof c.field || (type && strlen(type) >= sizeof c.word)) {
		web_text(a, 400, NULL,
		    "{\"object\": NAME, \"add\": FIELD, \"type\": \"Text\"} or {\"object\": NAME, \"drop\": FIELD} is expected\n");
	} else if ((entity = find_object(s, object, a)) >= 0) {
		c.entity = (enum entity)entity;
		snprintf(c.field, sizeof c.field, "%s", add ? add : drop);
		snprintf(c.word, sizeof c.word, "%s", type ? type : "Text");
		if (schema_store_change(org_schemas(s->org), &c, &e) == 0) {
			web_json(a, 200, schema_json(s, schema_store_current(org_schemas(s->org), c.entity)));
		} else {
			web_refuse(a, e.code == ERR_REFUSED ? 409 : 500, e.text);
		}
	}
	json_free(q);
}

/* --- managed subscriptions and what was published --------------------------------------------------- */

/*
 * {"expire": "Account_Managed"}: its committed place ages out, and the server will go on by its errorRecoveryReplay;
 * "stop", "run", "delete": what an administrator does.
 */
static void
manage(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	struct error e = ERROR_INIT;
	struct json *q = json_parse(r->query->body, &e);
	const struct json *verb = json_count(q) == 1 ? json_first(q) : NULL;

	if (verb && json_string(verb) && pubsub_server_manage(s->pubsub, json_string(verb), json_key(verb)))
		web_text(a, 204, NULL, "");
	else
		web_text(a, 400, NULL, "{\"expire\" (or stop, run, delete): \"the developer name of a managed subscription\"} is expected\n");
	json_free(q);
}

struct listing {
	const struct topics *topics;
	struct buffer *out;
};

static void
list_line(void *context, uint64_t replay, const char *id, unsigned entity)
{
	struct listing *l = context;
	uint8_t bytes[BUS_REPLAY_BYTES];
	const char *topic = "";

	for (size_t i = 0; i < l->topics->count; i++)
		if (l->topics->items[i].entities == 1u << entity)
			topic = l->topics->items[i].name;
	bus_replay_bytes(bytes, replay);
	buffer_append_format(l->out, "{\"replay_id\":\"");
	buffer_append_hex(l->out, bytes, sizeof bytes);
	buffer_append_format(l->out, "\",\"id\":\"%s\",\"topic\":\"%s\"}\n", id, topic);
}

/* Decimal, or the hex of a replay id as a line before gave it. */
static uint64_t
parse_after(const char *s)
{
	char digits[17];

	if (strlen(s) != 20)
		return strtoull(s, NULL, 10);
	memcpy(digits, s, 16);
	digits[16] = '\0';
	return strtoull(digits, NULL, 16);
}

/* ?after=REPLAY&limit=N&topic=NAME: what was published, oldest first; the next page goes on after the last line. */
static void
published(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	char *after_text = web_query_value(r, "after"), *limit_text = web_query_value(r, "limit");
	char *topic_name = web_query_value(r, "topic");
	const struct topic *topic = topic_name ? topics_find(&s->topics, topic_name) : NULL;
	uint64_t after = after_text ? parse_after(after_text) : 0;
	int limit = limit_text ? atoi(limit_text) : 100000;
	struct listing l = { &s->topics, &a->body };
	struct error e = ERROR_INIT;

	if (topic_name && !topic) {
		web_text(a, 404, NULL, "no such topic\n");
	} else if (limit < 1 || limit > 1000000) {
		web_text(a, 400, NULL, "limit must be from 1 to 1000000\n");
	} else {
		a->content_type = "application/x-ndjson";
		pthread_mutex_lock(&s->listing_lock);
		if (bus_list(s->listing, topic ? topic->entities : UINT32_MAX, &after, limit, list_line, &l,
			&e) < 0)
			web_refuse(a, 500, e.text);
		pthread_mutex_unlock(&s->listing_lock);
	}
	free(after_text);
	free(limit_text);
	free(topic_name);
}

const struct web_route salesforce_admin_routes[] = {
	{ "POST", "/events", NULL, make_events, NULL },
	{ "GET", "/schemas", NULL, list_schemas, NULL },
	{ "POST", "/schema", NULL, change_schema, NULL },
	{ "POST", "/managed", NULL, manage, NULL },
	{ "GET", "/published", NULL, published, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};
