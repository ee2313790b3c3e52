/*
 * What a table holds, asked through SQL: which events are in it, and how far a topic got. Blocking;
 * a warehouse that starts is waited for and never read as "no rows".
 */
#ifndef SFZB_DATABRICKS_SINK_LOOKUP_H
#define SFZB_DATABRICKS_SINK_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/replay_id.h"
#include "base/text.h"
#include "databricks/session.h"
#include "databricks/table.h"
#include "stream/sink.h"

struct table_lookup {
	struct databricks_session *session; /* borrowed */
	int64_t deadline_ms;		    /* of one question; 0: none */
	/* As in databricks/sql.h: told of each poll; false gives up. May be NULL. */
	bool (*waiting)(void *context, const char *state, int64_t elapsed_ms);
	void *waiting_context;
};

/*
 * For struct sink_lookup (databricks/sink.h), whose context is a struct table_lookup. Any number of
 * events; found[i] says whether a row of sought[i] is visible: one with its event_id and, unless the id
 * is unique, no other replay_id (a row without one counts; without the column the id alone decides).
 * ERR_NOT_FOUND, ERR_PERMISSION, ERR_UNAVAILABLE … as sql_run.
 */
int table_lookup_find(void *table_lookup, const char *table, bool by_replay_id,
    const struct sought *sought, size_t count, bool *found, struct error *e);

enum table_position {
	TABLE_POSITION_NONE, /* no row of this topic */
	TABLE_POSITION_FOUND,
	TABLE_POSITION_UNKNOWN, /* there are rows, but the columns do not tell of which topic */
};
/*
 * The newest replay id in the table of a topic ("/data/AccountChangeEvent"): the longest, and of
 * those the greatest as hexadecimal text. Rows are the topic's by their column topic; rows without
 * one (of the classic layout) by entity_name or, for a platform event, by the record's name in
 * schema_json. A channel of several entities can only be told by the column topic. -1: the table
 * could not be asked.
 */
int table_lookup_position(const struct table_lookup *l, const struct delta_table *t,
    const char *topic, enum table_position *result, struct replay_id *newest, struct error *e);

#endif
