/*
 * `sfzb replay set --from-table`: how far a topic got in its table, by the rows themselves, and how sure that is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/terminal.h"
#include "commands/replay.h"
#include "commands/stream.h"
#include "commands/target.h"
#include "commands/warehouse.h"
#include "databricks/sink_lookup.h"

/* With {entity} the rows of one topic lie in one table only when it is of one object. */
static char *
name_table(const struct position_key *key, struct error *e)
{
	char *name = stream_table_of(key->table, key->topic);

	if (name != NULL)
		return name;
	error_set(e, ERR_POSITION, "the events of '%s' are in a table each for its objects: none of them tells how far all of them got",
	    key->topic);
	error_hint(e, "say another place, such as earliest: what the tables hold is not stored again");
	return NULL;
}

/* Commit time of the newest row; 0: the columns do not tell. */
static int
read_time(struct app *app, const struct delta_table *table, const struct replay_id *id, int64_t *event_ms, struct error *e)
{
	const struct delta_column *c = delta_table_find(table, "timestamp");
	char hex[REPLAY_ID_TEXT_SIZE];
	struct sql_parameter parameter = {.name = "id", .value = replay_id_hex(hex, id)};
	struct buffer text = BUFFER_INIT;
	struct sql_statement statement = {.parameters = &parameter, .parameter_count = 1, .only_reads = true};
	struct sql_result result;
	struct text cell;
	char digits[32];
	int rc;

	*event_ms = 0;
	if (c == NULL || (c->type.kind != DELTA_LONG && c->type.kind != DELTA_TIMESTAMP))
		return 0;
	buffer_append_format(&text, "SELECT max(%s) FROM ",
	    c->type.kind == DELTA_LONG ? "`timestamp`" : "unix_millis(`timestamp`)");
	delta_write_table(&text, table);
	buffer_append_text(&text, " WHERE replay_id = :id");
	statement.text = buffer_text(&text);
	sql_result_init(&result);
	rc = warehouse_run(app, &statement, &result, e);
	if (rc == 0 && result.row_count > 0) {
		cell = sql_result_cell(&result, 0, 0);
		if (cell.len > 0 && cell.len < sizeof(digits)) {
			memcpy(digits, cell.data, cell.len);
			digits[cell.len] = '\0';
			*event_ms = strtoll(digits, NULL, 10);
		}
	}
	sql_result_release(&result);
	buffer_release(&text);
	return rc;
}

static int
ask(struct app *app, const struct delta_table *table, const char *topic, struct replay_place *out, struct error *e)
{
	struct table_lookup lookup = {.session = app->databricks, .waiting = warehouse_waiting};
	enum table_position result;
	int rc;

	warehouse_catch_signals(app);
	rc = table_lookup_position(&lookup, table, topic, &result, &out->position.replay_id, e);
	warehouse_release_signals(app);
	terminal_set_status(NULL);
	if (rc != 0)
		return -1;
	if (result == TABLE_POSITION_FOUND)
		return 0;
	if (result == TABLE_POSITION_NONE)
		error_set(e, ERR_POSITION, "table '%s' holds no event of '%s'", table->full_name, topic);
	else
		error_set(e, ERR_POSITION, "table '%s' has rows that do not say of which topic they are: it cannot tell how far '%s' got",
		    table->full_name, topic);
	return error_hint(e, "say another place: earliest, latest, a replay id or a time");
}

int
replay_ask_table(struct app *app, const struct position_key *key, struct replay_place *out, struct error *e)
{
	struct delta_table *table = NULL;
	char *name = name_table(key, e);
	int rc = -1;

	*out = (struct replay_place){.position = {.kind = POSITION_AFTER}};
	if (name == NULL || app_open_databricks(app, e) != 0 || (table = target_find(app, name, e)) == NULL ||
	    ask(app, table, key->topic, out, e) != 0 ||
	    read_time(app, table, &out->position.replay_id, &out->position.event_ms, e) != 0)
		goto out;
	snprintf(out->how, sizeof(out->how), "%s; what is not visible yet is looked up before it is stored",
	    delta_table_find(table, "topic") != NULL
		? "the newest row of the topic, told by column 'topic': sure"
		: "the newest row of its object, told by column 'entity_name': sure if no other topic brings that object "
		  "into this table");
	rc = 0;
out:
	delta_table_free(table);
	free(name);
	return rc;
}
