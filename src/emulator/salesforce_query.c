#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "emulator/enrichment.h"
#include "emulator/salesforce.h"
#include "emulator/soql.h"
#include "emulator/values.h"

#define CHANNEL_ID "0YL5f0000000001CAA"

/* --- the answer ----------------------------------------------------------------------------------- */

struct answer {
	const struct soql *query;
	const char *url; /* of a row, without its id */
	struct json *records;
	int64_t total;
	const char *unknown; /* a field that no row has, or not in this version */
};

/* Takes a full row and adds what was selected of it. */
static void
add_row(struct answer *a, struct json *row)
{
	struct json *out, *attributes;
	char *url;

	if (!soql_passes(a->query, row) || (a->query->limit >= 0 && a->total >= a->query->limit)) {
		json_free(row);
		return;
	}
	a->total++;
	if (a->query->is_count) {
		json_free(row);
		return;
	}
	out = json_object();
	attributes = json_object();
	url = memory_format("%s/%s", a->url, json_find_string(row, "Id") ? json_find_string(row, "Id") : "");
	json_set_string(attributes, "type", a->query->table);
	json_set_string(attributes, "url", url);
	json_set(out, "attributes", attributes);
	for (size_t i = 0; i < a->query->field_count; i++) {
		const char *field = a->query->fields[i];

		if (json_find(row, field))
			json_set(out, field, json_clone(json_find(row, field)));
		else
			a->unknown = field;
	}
	json_add(a->records, out);
	json_free(row);
	free(url);
}

static struct json *
row_of(const char *id, const char *const *pairs)
{
	struct json *row = json_object();

	json_set_string(row, "Id", id);
	for (; *pairs; pairs += 2)
		json_set_string(row, pairs[0], pairs[1]);
	return row;
}

/* --- tooling objects ------------------------------------------------------------------------------ */

static void
entity_id(char out[RECORD_ID_SIZE], int entity)
{
	value_record_id(out, "01I", (uint64_t)entity + 1);
}

/* A name for a standard field, the id for a custom one, as its doc has it. */
static void
list_enriched(struct salesforce *s, struct answer *a, enum entity entity, const char *member)
{
	const struct schema *schema = schema_store_current(org_schemas(s->org), entity);
	char id[RECORD_ID_SIZE];

	for (const char *const *f = org_enriched_fields(s->org, entity); *f; f++) {
		char *spelled = memory_format("{\"name\":\"%s\",", *f), custom[16] = "";
		const char *at = strstr(*f, "__") ? strstr(schema->json, spelled) : NULL;
		const char *doc = at ? strstr(at, "\"doc\":\"") : NULL;

		if (doc)
			sscanf(doc, "\"doc\":\"%*[^:\"]:%*[^:\"]:%15[0-9A-Za-z]", custom);
		value_record_id(id, "0vE", (uint64_t)entity * ENRICHED_FIELDS_MAX + (uint64_t)(f - org_enriched_fields(s->org, entity)) + 1);
		add_row(a, row_of(id, (const char *const[]){ "Field", *custom ? custom : *f, "ChannelMemberId", member, NULL }));
		free(spelled);
	}
}

/* The members of the channels, or the enriched fields of the custom one's. */
static void
list_members(struct salesforce *s, struct answer *a, bool enriched)
{
	static const char *const channels[] = { "ChangeEvents", "Crm" };
	char id[RECORD_ID_SIZE], entity[RECORD_ID_SIZE];
	uint64_t number = 0;

	for (size_t k = 0; k < sizeof channels / sizeof *channels; k++) {
		for (int i = 0; i < ENTITY_ORDER_EVENT; i++) {
			const char *event = schema_sources[i].event;
			bool is_custom = strstr(event, "__") != NULL;
			char *name;
			struct json *row;

			if (!org_is_selected(s->org, (enum entity)i) || (k == 1 && i > ENTITY_OPPORTUNITY))
				continue;
			value_record_id(id, "0v8", ++number);
			if (enriched) {
				if (k == 1)
					list_enriched(s, a, (enum entity)i, id);
				continue;
			}
			entity_id(entity, i);
			/* the vendor shortens the double underscore of a custom name */
			name = is_custom ? memory_format("%s_Invoice_ChangeEvent", channels[k])
				: k == 0 ? memory_format("%s_%s", channels[k], event)
					 : memory_format("%s_chn_%s", channels[k], event);
			row = row_of(id,
			    (const char *const[]){ "DeveloperName", name, "EventChannel",
				k == 0 ? channels[k] : CHANNEL_ID, "SelectedEntity",
				is_custom ? entity : event, NULL });
			/* one that lets everything through: the bus does not filter */
			json_set_string(row, "FilterExpression",
			    k == 1 && i == ENTITY_OPPORTUNITY ? "Id != null" : NULL);
			add_row(a, row);
			free(name);
		}
	}
}

static void
list_channels(struct salesforce *s, struct answer *a)
{
	if (topics_find(&s->topics, "/data/Crm__chn"))
		add_row(a,
		    row_of(CHANNEL_ID, (const char *const[]){ "DeveloperName", "Crm", "ChannelType", "data",
					   "MasterLabel", "CRM objects", NULL }));
}

static void
list_entities(struct answer *a)
{
	char id[RECORD_ID_SIZE], durable[16];

	for (int i = 0; i < ENTITY_COUNT; i++) {
		struct json *row;

		entity_id(id, i);
		memcpy(durable, id, 15);
		durable[15] = '\0';
		row = row_of(id, (const char *const[]){ "DurableId", durable, "QualifiedApiName",
				     schema_sources[i].event, "Label", schema_sources[i].label, NULL });
		/* asked for by the short id or the long one */
		if (a->query->where && !soql_passes(a->query, row))
			json_set_string(row, "DurableId", id);
		add_row(a, row);
	}
}

/* --- data objects --------------------------------------------------------------------------------- */

static void
add_record(void *context, const struct org_record *r)
{
	struct json *row = row_of(r->id, (const char *const[]){ "CreatedById", ORG_USER_ID, "OwnerId",
					     ORG_USER_ID, NULL });

	json_set_bool(row, "IsDeleted", r->deleted);
	add_row(context, row);
}

static bool
list_records(struct salesforce *s, struct answer *a, bool with_deleted)
{
	if (strcmp(a->query->table, "Organization") == 0) {
		struct json *row = row_of(ORG_ID, (const char *const[]){ "Name", "Emulated org",
						     "OrganizationType", "Developer Edition", NULL });

		json_set_bool(row, "IsSandbox", false);
		add_row(a, row);
		return true;
	}
	for (int i = 0; i < ENTITY_ORDER_EVENT; i++) {
		if (strcmp(a->query->table, schema_sources[i].object) != 0)
			continue;
		org_records(s->org, (enum entity)i, with_deleted, UINT64_MAX, add_record, a);
		return true;
	}
	return false;
}

static void
list_managed(struct salesforce *s, struct answer *a)
{
	for (size_t i = 0; i < MANAGED_COUNT; i++) {
		bool stopped;
		const struct managed_record *m = pubsub_server_managed(s->pubsub, i, &stopped);
		struct json *row, *metadata;

		if (!m)
			continue;
		row = row_of(m->id, (const char *const[]){ "DeveloperName", m->name, "MasterLabel", m->label, NULL });
		metadata = json_object();
		json_set_string(metadata, "label", m->label);
		json_set_string(metadata, "topicName", m->topic);
		json_set_string(metadata, "defaultReplay", m->default_earliest ? "EARLIEST" : "LATEST");
		json_set_string(metadata, "errorRecoveryReplay", m->recovery_earliest ? "EARLIEST" : "LATEST");
		json_set_string(metadata, "state", stopped ? "STOP" : "RUN");
		json_set(row, "Metadata", metadata);
		add_row(a, row);
	}
}

static bool
list_tooling(struct salesforce *s, struct answer *a)
{
	const char *table = a->query->table;

	if (strcmp(table, "PlatformEventChannelMember") == 0)
		list_members(s, a, false);
	else if (strcmp(table, "PlatformEventChannel") == 0)
		list_channels(s, a);
	else if (strcmp(table, "EntityDefinition") == 0)
		list_entities(a);
	else if (strcmp(table, "ManagedEventSubscription") == 0)
		list_managed(s, a);
	else if (strcmp(table, "EnrichedField") == 0)
		list_members(s, a, true);
	else
		return false;
	return true;
}

/* "Sforce-Query-Options: batchSize=500": a hint, from 200 to 2000. */
static size_t
page_size(const struct web_request *r)
{
	const char *options = http_query_header(r->query, "Sforce-Query-Options");
	const char *size = options ? strstr(options, "batchSize=") : NULL;
	long n = size ? strtol(size + 10, NULL, 10) : 2000;

	return n < 200 ? 200 : n > 2000 ? 2000 : (size_t)n;
}

/* "v67.0" → 67 */
static long
version_of(const struct web_request *r)
{
	return strtol(r->parameters[0] + 1, NULL, 10);
}

static bool
asks_for(const struct soql *q, const char *field)
{
	for (size_t i = 0; i < q->field_count; i++)
		if (strcmp(q->fields[i], field) == 0)
			return true;
	return false;
}

/* Objects and fields that came with a version of the API. false: the object is not there yet; *field: one that is not. */
static bool
is_known_in(const struct soql *q, long version, const char **field)
{
	static const struct {
		const char *table, *field; /* NULL: the object itself */
		long since;
	} news[] = { { "PlatformEventChannelMember", NULL, 47 }, { "PlatformEventChannelMember", "FilterExpression", 56 },
		{ "PlatformEventChannel", NULL, 47 }, { "EnrichedField", NULL, 51 }, { "ManagedEventSubscription", NULL, 60 } };

	for (size_t i = 0; i < sizeof news / sizeof *news; i++) {
		if (strcmp(news[i].table, q->table) != 0 || version >= news[i].since)
			continue;
		if (!news[i].field)
			return false;
		if (asks_for(q, news[i].field))
			*field = news[i].field;
	}
	return true;
}

static void
answer_query(struct salesforce *s, const struct web_request *r, struct http_answer *out, bool tooling)
{
	char *text = web_query_value(r, "q"), *url = NULL, *message = NULL;
	struct error e = ERROR_INIT;
	struct soql q;
	struct answer a = { .query = &q };
	bool known;

	if (soql_parse(&q, text ? text : "", &e) != 0) {
		salesforce_error(out, 400, "MALFORMED_QUERY", e.text);
		goto done;
	}
	a.url = url = memory_format("/services/data/%s/%ssobjects/%s", r->parameters[0],
	    tooling ? "tooling/" : "", q.table);
	a.records = json_array();
	known = tooling ? is_known_in(&q, version_of(r), &a.unknown) && list_tooling(s, &a)
			: list_records(s, &a, strstr(r->query->path, "/queryAll") != NULL);
	if (!known) {
		message = memory_format("sObject type '%s' is not supported.", q.table);
		salesforce_error(out, 400, "INVALID_TYPE", message);
	} else if (a.unknown) {
		message = memory_format("No such column '%s' on entity '%s'.", a.unknown, q.table);
		salesforce_error(out, 400, "INVALID_FIELD", message);
	} else if (asks_for(&q, "Metadata") && a.total > 1) {
		message = memory_format("When retrieving results with Metadata or FullName fields, the query qualifications must "
					"specify no more than one row for retrieval. Result size: %lld", (long long)a.total);
		salesforce_error(out, 400, "MALFORMED_QUERY", message);
	} else {
		struct json *j = json_object();
		char *base = memory_format("/services/data/%s/%squery", r->parameters[0], tooling ? "tooling/" : "");

		if (tooling) {
			json_set_int64(j, "size", (int64_t)json_count(a.records));
			json_set_string(j, "queryLocator", NULL);
			json_set_string(j, "entityTypeName", q.table);
		}
		query_pages_begin(s->pages, j, a.records, a.total, page_size(r), base);
		a.records = NULL;
		web_json(out, 200, j);
		free(base);
	}
done:
	json_free(a.records);
	soql_release(&q);
	free(message);
	free(url);
	free(text);
}

void
salesforce_query(void *context, const struct web_request *r, struct http_answer *a)
{
	if (salesforce_authorize(context, r, a))
		answer_query(context, r, a, false);
}

void
salesforce_tooling_query(void *context, const struct web_request *r, struct http_answer *a)
{
	if (salesforce_authorize(context, r, a))
		answer_query(context, r, a, true);
}

void
salesforce_query_more(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	bool tooling = strstr(r->query->path, "/tooling/") != NULL;
	struct json *j = json_object();
	char *base = memory_format("/services/data/%s/%squery", r->parameters[0], tooling ? "tooling/" : "");

	if (!salesforce_authorize(s, r, a)) {
		json_free(j);
	} else if (query_pages_next(s->pages, j, r->parameters[1], base)) {
		web_json(a, 200, j);
	} else {
		json_free(j);
		salesforce_error(a, 400, "INVALID_QUERY_LOCATOR", "invalid query locator");
	}
	free(base);
}
