/*
 * What the Tooling API tells of channels: the input is one JSON object with the rows of each query, {"PlatformEventChannel": […],
 * "PlatformEventChannelMember": […], "EntityDefinition": […], "EnrichedField": […]}; a query whose rows are missing is refused as if the
 * object did not exist. Whatever is taken has all its texts, and a channel's topic is made of its name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "salesforce/channels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
query(void *context, const char *soql, salesforce_each_row *each, void *each_context, struct error *e)
{
	const char *from = strstr(soql, " FROM ");
	char table[64];
	const struct json *rows;

	if (from == NULL || sscanf(from, " FROM %63s", table) != 1)
		abort();
	/* of what the server gave, ids alone may be in a query */
	if (strchr(soql, '\n') != NULL || strchr(soql, '\\') != NULL)
		abort();
	rows = json_find(context, table);
	if (!json_is_array(rows))
		return error_set(e, ERR_NOT_FOUND, "sObject type '%s' is not supported", table);
	for (const struct json *row = json_first(rows); row != NULL; row = json_next(row))
		if (!each(each_context, row))
			break;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error e = ERROR_INIT;
	struct json *answers = json_parse(text_span(data, size), &e);
	struct salesforce_channels c;

	if (answers == NULL)
		return 0;
	error_clear(&e);
	if (salesforce_channels_gather(query, answers, &c, &e) == 0) {
		for (size_t i = 0; i < c.channel_count; i++)
			if (c.channels[i].id == NULL || c.channels[i].label == NULL ||
			    (strncmp(c.channels[i].topic, "/data/", 6) != 0 && strncmp(c.channels[i].topic, "/event/", 7) != 0) ||
			    !text_ends(text_of(c.channels[i].topic), c.channels[i].name))
				abort();
		for (size_t i = 0; i < c.member_count; i++)
			if (c.members[i].id == NULL || c.members[i].channel == NULL || c.members[i].event == NULL)
				abort();
		salesforce_channels_release(&c);
	} else if (e.code != ERR_PERMISSION) {
		abort();
	}
	json_free(answers);
	return 0;
}
