#include "commands/topics.h"

#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "cli/output.h"
#include "cli/table.h"

static const char *
kind_of(const char *topic)
{
	if (topic_name_is_channel(topic))
		return "channel";
	if (topic_name_is_change(topic))
		return "change events";
	return text_ends(text_of(topic), "__e") ? "platform event" : "standard event";
}

/* Is the member on the channel that the topic is? Members name channels without their folder. */
static bool
is_member(const struct salesforce_member *m, const char *topic)
{
	return topic_name_is_channel(topic) && strcmp(m->channel, strrchr(topic, '/') + 1) == 0;
}

static struct json *
members_json(const struct candidate *c)
{
	const struct salesforce_channels *all = &c->listing->channels;
	struct json *list = json_array();

	for (size_t i = 0; i < all->member_count; i++) {
		const struct salesforce_member *m = &all->members[i];
		struct json *j, *enriched;

		if (!is_member(m, c->topic))
			continue;
		j = json_object();
		enriched = json_array();
		for (size_t k = 0; k < m->enriched_count; k++)
			json_add_string(enriched, m->enriched[k]);
		json_set_string(j, "event", m->event);
		json_set_string(j, "filter", m->filter);
		json_set(j, "enriched", enriched);
		json_add(list, j);
	}
	return list;
}

/* "AccountChangeEvent (+Name, +Phone), Order__e (where City__c = 'Bonn')" */
static void
members_text(const struct candidate *c, struct buffer *out)
{
	const struct salesforce_channels *all = &c->listing->channels;

	for (size_t i = 0; i < all->member_count; i++) {
		const struct salesforce_member *m = &all->members[i];

		if (!is_member(m, c->topic))
			continue;
		buffer_append_format(out, "%s%s", out->len > 0 ? ", " : "", m->event);
		if (m->filter == NULL && m->enriched_count == 0)
			continue;
		buffer_append_text(out, " (");
		if (m->filter != NULL)
			buffer_append_format(
			    out, "where %s%s", m->filter, m->enriched_count > 0 ? "; " : "");
		for (size_t k = 0; k < m->enriched_count; k++)
			buffer_append_format(out, "%s+%s", k > 0 ? ", " : "", m->enriched[k]);
		buffer_append_byte(out, ')');
	}
}

static struct json *
candidate_json(const struct candidate *c)
{
	struct json *j = json_object();

	json_set_string(j, "name", c->topic);
	json_set_string(j, "kind", kind_of(c->topic));
	json_set_string(j, "label", c->label);
	json_set_bool(j, "exists", c->found);
	json_set_bool(j, "may_subscribe", c->can_subscribe);
	json_set_bool(j, "may_publish", c->can_publish);
	json_set_string(
	    j, "schema_id", c->schema_id != NULL && c->schema_id[0] != '\0' ? c->schema_id : NULL);
	if (topic_name_is_channel(c->topic))
		json_set(j, "members", members_json(c));
	return j;
}

/* What GetTopic does not know and nobody can switch on is no topic at all. */
static bool
is_shown(const struct candidate *c, bool all)
{
	if (!c->found)
		return all && (topic_name_is_change(c->topic) || topic_name_is_channel(c->topic));
	return all || c->can_subscribe || c->can_publish;
}

static int
print_json(const struct listing *l, bool all, struct error *e)
{
	int rc = 0;

	for (size_t i = 0; i < l->count && rc == 0; i++)
		if (is_shown(&l->items[i], all))
			rc = output_json(candidate_json(&l->items[i]), e);
	return rc;
}

static int
print_table(const struct listing *l, bool all, struct error *e)
{
	static const struct column columns[] = {{"TOPIC", COLUMN_LEFT}, {"KIND", COLUMN_LEFT},
	    {"SUB", COLUMN_LEFT}, {"PUB", COLUMN_LEFT}, {"SCHEMA", COLUMN_SPARE},
	    {"LABEL", COLUMN_SPARE}, {"MEMBERS", COLUMN_PROSE}};
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	int rc;

	for (size_t i = 0; i < l->count; i++) {
		const struct candidate *c = &l->items[i];
		struct buffer members = BUFFER_INIT;

		if (!is_shown(c, all))
			continue;
		members_text(c, &members);
		table_add(t, c->topic);
		table_add(t, kind_of(c->topic));
		table_add(t, !c->found ? "off" : c->can_subscribe ? "yes" : "no");
		table_add(t, !c->found ? "off" : c->can_publish ? "yes" : "no");
		table_add(t, c->schema_id);
		table_add(t, c->label);
		table_add(t, buffer_text(&members));
		buffer_release(&members);
	}
	rc = table_rows(t) > 0 ? table_print(t, e) : 0;
	table_free(t);
	return rc;
}

size_t
topics_shown(const struct listing *l, bool all)
{
	size_t n = 0;

	for (size_t i = 0; i < l->count; i++)
		n += is_shown(&l->items[i], all);
	return n;
}

int
topics_print(const struct listing *l, bool all, struct error *e)
{
	return app_outputs(l->app, "json") ? print_json(l, all, e) : print_table(l, all, e);
}

void
topics_remember(const struct listing *l)
{
	struct json *root = json_object(), *list = json_array();
	struct error e = ERROR_INIT;

	for (size_t i = 0; i < l->count; i++)
		if (is_shown(&l->items[i], false))
			json_add(list, candidate_json(&l->items[i]));
	json_set(root, "topics", list);
	if (profile_store(l->app->profile, "topics.json", root, &e) != 0)
		log_debug("topics", "names are not kept for completion: %s", e.text);
	json_free(root);
}
