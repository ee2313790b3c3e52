#include "salesforce/channels.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "salesforce/rest.h"

#define STANDARD_CHANNEL "ChangeEvents"
#define ID_ALPHABET "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define IDS_A_QUERY 100 /* names asked for at once: the query is part of the URL */

struct gathering {
	struct salesforce_channels *out;
	size_t channel_capacity, member_capacity, name_capacity;
	char **developer_names; /* of the members: the last resort to name an entity */
};

static char *
member_text(const struct json *row, const char *key)
{
	const char *value = json_find_string(row, key);

	return memory_strdup(value != NULL ? value : "");
}

static bool
take_channel(void *context, const struct json *row)
{
	struct gathering *g = context;
	struct salesforce_channels *out = g->out;
	const char *name = json_find_string(row, "DeveloperName");
	const char *type = json_find_string(row, "ChannelType");
	struct salesforce_channel *c;

	if (name == NULL)
		return true;
	out->channels = memory_reserve(out->channels, &g->channel_capacity, out->channel_count + 1,
	    sizeof(*out->channels));
	c = &out->channels[out->channel_count++];
	c->id = member_text(row, "Id");
	c->label = member_text(row, "MasterLabel");
	c->name = memory_format("%s__chn", name);
	c->topic = memory_format("/%s/%s", type != NULL && strcmp(type, "event") == 0 ? "event" : "data", c->name);
	return true;
}

static bool
same_id(const char *a, const char *b)
{
	return strlen(a) >= 15 && strlen(b) >= 15 && strncmp(a, b, 15) == 0;
}

/* "0YL…" → "Mine__chn"; a name stays what it is. */
static char *
channel_name(const struct salesforce_channels *all, const char *channel)
{
	for (size_t i = 0; i < all->channel_count; i++)
		if (same_id(all->channels[i].id, channel))
			return memory_strdup(all->channels[i].name);
	return memory_strdup(channel);
}

/*
 * DeveloperName is "<channel>_<event>" with every "__" shortened to "_": the last resort for an entity whose id
 * nobody resolves. "Order_Channel_chn_Order_EMEA_e" on "Order_Channel__chn" → "Order_EMEA__e".
 */
static char *
event_from_developer_name(const char *developer_name, const char *channel)
{
	static const char *const endings[] = {"_ChangeEvent", "_e"};
	struct buffer shortened = BUFFER_INIT;
	const char *rest = developer_name;
	char *event = NULL;

	for (const char *p = channel; *p != '\0'; p++)
		if (p[0] != '_' || p[1] != '_')
			buffer_append_byte(&shortened, (uint8_t)*p);
	buffer_append_byte(&shortened, '_');
	if (strncmp(rest, buffer_text(&shortened), shortened.len) == 0)
		rest += shortened.len;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]) && event == NULL; i++)
		if (text_ends(text_of(rest), endings[i]))
			event = memory_format("%.*s_%s", (int)(strlen(rest) - strlen(endings[i])), rest, endings[i]);
	buffer_release(&shortened);
	return event != NULL ? event : memory_strdup(rest);
}

static bool
is_entity_id(const char *s)
{
	return strncmp(s, "01I", 3) == 0 && (strlen(s) == 15 || strlen(s) == 18);
}

static bool
take_member(void *context, const struct json *row)
{
	struct gathering *g = context;
	struct salesforce_channels *out = g->out;
	const char *channel = json_find_string(row, "EventChannel");
	const char *entity = json_find_string(row, "SelectedEntity");
	const char *developer_name = json_find_string(row, "DeveloperName");
	struct salesforce_member *m;

	if (entity == NULL)
		return true;
	out->members = memory_reserve(out->members, &g->member_capacity, out->member_count + 1,
	    sizeof(*out->members));
	m = &out->members[out->member_count++];
	memset(m, 0, sizeof(*m));
	m->id = member_text(row, "Id");
	m->channel = channel_name(out, channel != NULL ? channel : STANDARD_CHANNEL);
	m->filter = memory_strdup(json_find_string(row, "FilterExpression"));
	m->event = memory_strdup(entity);
	g->developer_names = memory_reserve(g->developer_names, &g->name_capacity, out->member_count,
	    sizeof(*g->developer_names));
	g->developer_names[out->member_count - 1] = memory_strdup(developer_name);
	return true;
}

/* One row of EntityDefinition: DurableId has 15 characters. */
static bool
take_entity(void *context, const struct json *row)
{
	struct salesforce_channels *out = context;
	const char *id = json_find_string(row, "DurableId");
	const char *name = json_find_string(row, "QualifiedApiName");

	for (size_t i = 0; id != NULL && name != NULL && i < out->member_count; i++) {
		if (is_entity_id(out->members[i].event) && same_id(out->members[i].event, id)) {
			free(out->members[i].event);
			out->members[i].event = memory_strdup(name);
		}
	}
	return true;
}

static bool
take_enriched(void *context, const struct json *row)
{
	struct salesforce_channels *out = context;
	const char *field = json_find_string(row, "Field");
	const char *member = json_find_string(row, "ChannelMemberId");

	for (size_t i = 0; field != NULL && member != NULL && i < out->member_count; i++) {
		struct salesforce_member *m = &out->members[i];

		if (!same_id(m->id, member))
			continue;
		m->enriched = memory_grow(m->enriched, m->enriched_count + 1, sizeof(*m->enriched));
		m->enriched[m->enriched_count++] = memory_strdup(field);
	}
	return true;
}

/* Names for the ids among the members, some at a time; an id goes in both of its lengths. */
static int
resolve_entities(channels_query *query, void *context, struct salesforce_channels *out, struct error *e)
{
	size_t i = 0;

	while (i < out->member_count) {
		struct buffer soql = BUFFER_INIT;
		size_t count = 0;
		int rc = 0;

		buffer_append_text(&soql, "SELECT DurableId,QualifiedApiName FROM EntityDefinition WHERE DurableId IN (");
		for (; i < out->member_count && count < IDS_A_QUERY; i++) {
			const char *id = out->members[i].event;

			/* ids alone go into the query, and they hold letters and digits only */
			if (!is_entity_id(id) || strspn(id, ID_ALPHABET) != strlen(id))
				continue;
			buffer_append_format(&soql, "%s'%.15s'", count > 0 ? "," : "", id);
			if (strlen(id) == 18)
				buffer_append_format(&soql, ",'%s'", id);
			count++;
		}
		buffer_append_byte(&soql, ')');
		if (count > 0)
			rc = query(context, buffer_text(&soql), take_entity, out, e);
		buffer_release(&soql);
		/* without names there is still the fall-back */
		if (rc < 0 && e->code != ERR_NOT_FOUND && e->code != ERR_PERMISSION)
			return -1;
	}
	return 0;
}

static void
guess_the_rest(struct gathering *g)
{
	for (size_t i = 0; i < g->out->member_count; i++) {
		struct salesforce_member *m = &g->out->members[i];

		if (is_entity_id(m->event) && g->developer_names[i] != NULL) {
			free(m->event);
			m->event = event_from_developer_name(g->developer_names[i], m->channel);
		}
		free(g->developer_names[i]);
	}
	free(g->developer_names);
}

static int
query_tooling(void *session, const char *soql, salesforce_each_row *each, void *context, struct error *e)
{
	return salesforce_rest_query(session, soql, true, each, context, e);
}

int
salesforce_channels_get(struct salesforce_session *s, struct salesforce_channels *out, struct error *e)
{
	return salesforce_channels_gather(query_tooling, s, out, e);
}

int
salesforce_channels_gather(channels_query *query, void *context, struct salesforce_channels *out, struct error *e)
{
	struct gathering g = {.out = out};
	struct error ignored = ERROR_INIT;
	int rc = -1;

	memset(out, 0, sizeof(*out));
	/* an object that Setup's readers alone may see answers as if it did not exist */
	if (query(context, "SELECT Id,DeveloperName,ChannelType,MasterLabel FROM PlatformEventChannel", take_channel, &g, e) == 0 &&
	    query(context, "SELECT Id,DeveloperName,EventChannel,SelectedEntity,FilterExpression FROM PlatformEventChannelMember",
		take_member, &g, e) == 0)
		rc = resolve_entities(query, context, out, e);
	guess_the_rest(&g);
	if (rc == 0 && out->member_count > 0 &&
	    query(context, "SELECT Field,ChannelMemberId FROM EnrichedField", take_enriched, out, &ignored) < 0 &&
	    ignored.code != ERR_NOT_FOUND && ignored.code != ERR_PERMISSION) {
		*e = ignored;
		rc = -1;
	}
	if (rc < 0) {
		if (e->code == ERR_NOT_FOUND)
			e->code = ERR_PERMISSION;
		if (e->code == ERR_PERMISSION)
			error_hint(e, "reading channels takes the permission 'View Setup and Configuration'");
		salesforce_channels_release(out);
	}
	return rc;
}

void
salesforce_channels_release(struct salesforce_channels *c)
{
	for (size_t i = 0; i < c->channel_count; i++) {
		free(c->channels[i].id);
		free(c->channels[i].name);
		free(c->channels[i].topic);
		free(c->channels[i].label);
	}
	for (size_t i = 0; i < c->member_count; i++) {
		struct salesforce_member *m = &c->members[i];

		free(m->id);
		free(m->channel);
		free(m->event);
		free(m->filter);
		for (size_t k = 0; k < m->enriched_count; k++)
			free(m->enriched[k]);
		free(m->enriched);
	}
	free(c->channels);
	free(c->members);
	memset(c, 0, sizeof(*c));
}
