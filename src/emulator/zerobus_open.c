/* create_stream: token, grants and features are checked, then the descriptor is held against the table. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "emulator/zerobus_stream.h"

/* The name in three parts, in place. */
static bool
split_name(char *name, struct lake_name *out)
{
	char *first = strchr(name, '.'), *second = first ? strchr(first + 1, '.') : NULL;

	if (second == NULL || strchr(second + 1, '.') != NULL || first == name || second == first + 1 || second[1] == '\0')
		return false;
	*first = *second = '\0';
	*out = (struct lake_name){name, first + 1, second + 1};
	return true;
}

bool
zerobus_stream_authorize(struct zerobus_stream *s)
{
	struct text header = server_call_metadata(s->call, "authorization");
	struct text table = server_call_metadata(s->call, "x-databricks-zerobus-table-name");
	char *name = text_dup(table);
	enum token_verdict verdict = TOKEN_UNKNOWN;

	for (char *c = name; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	if (text_starts(header, "Bearer "))
		verdict = tokens_check(s->server->options.tokens, text_span(header.data + 7, header.len - 7), &s->scope);
	if (verdict == TOKEN_GOOD && strncmp(s->scope, ZEROBUS_SCOPE, strlen(ZEROBUS_SCOPE)) == 0) {
		char *client = s->scope + strlen(ZEROBUS_SCOPE), *blank = strchr(client, ' ');

		s->client = memory_strndup(client, (size_t)(blank - client));
		if (strcmp(blank + 1, name) != 0)
			zerobus_stream_fail(s, PERMISSION_DENIED, "PERMISSION_DENIED",
			    "the token is for table \"%s\", the stream for \"%s\"", blank + 1, name);
	} else if (verdict == TOKEN_GOOD) {
		zerobus_stream_fail(s, UNAUTHENTICATED, "INVALID_TOKEN", "the token was not issued for Zerobus (no authorization_details)");
	} else {
		zerobus_stream_fail(s, UNAUTHENTICATED, "INVALID_TOKEN",
		    verdict == TOKEN_EXPIRED ? "the token has expired" :
		    header.len == 0	     ? "no authorization" :
					       "the token is not valid");
	}
	free(name);
	return !s->failing;
}

static bool
check_grants(struct zerobus_stream *s, const struct lake_table *t)
{
	struct lakehouse *l = s->server->options.lakehouse;
	struct buffer schema = BUFFER_INIT, full = BUFFER_INIT;
	const char *missing = NULL, *on = NULL;

	buffer_append_format(&schema, "%s.%s", t->catalog, t->schema);
	lake_table_full_name(t, &full);
	if (lakehouse_is_denied(l, s->client, "USE CATALOG", t->catalog))
		missing = "USE CATALOG", on = t->catalog;
	else if (lakehouse_is_denied(l, s->client, "USE SCHEMA", buffer_text(&schema)))
		missing = "USE SCHEMA", on = buffer_text(&schema);
	else if (lakehouse_is_denied(l, s->client, "SELECT", buffer_text(&full)))
		missing = "SELECT", on = buffer_text(&full);
	else if (lakehouse_is_denied(l, s->client, "MODIFY", buffer_text(&full)))
		missing = "MODIFY", on = buffer_text(&full);
	if (missing != NULL)
		zerobus_stream_fail(s, PERMISSION_DENIED, "PERMISSION_DENIED", "%s is missing on %s for %s", missing, on, s->client);
	buffer_release(&schema);
	buffer_release(&full);
	return missing == NULL;
}

/* Tables with row tracking are refused with this number by the service. */
static bool
check_features(struct zerobus_stream *s, const struct lake_table *t)
{
	for (size_t i = 0; i < t->property_count; i++)
		if (strcmp(t->properties[i].key, "delta.enableRowTracking") == 0 &&
		    strcasecmp(t->properties[i].value, "true") == 0) {
			zerobus_stream_fail(s, UNIMPLEMENTED, "UNSUPPORTED_TABLE",
			    "cannot open table %s.%s.%s for writing: delta.enableRowTracking is on. Error Code: 1022, Error State: 0",
			    t->catalog, t->schema, t->name);
			return false;
		}
	return true;
}

static bool
is_plain_name(const char *s)
{
	return *s != '\0' && strspn(s, "0123456789") == 0 &&
	    strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s);
}

/* ASCII letters, digits and _, in the names of the table and of its columns. */
static bool
check_names(struct zerobus_stream *s, const struct lake_table *t)
{
	const char *odd = is_plain_name(t->name) ? NULL : t->name;

	for (size_t i = 0; i < t->column_count && odd == NULL; i++)
		if (!is_plain_name(t->columns[i].name))
			odd = t->columns[i].name;
	if (odd != NULL)
		zerobus_stream_fail(s, INVALID_ARGUMENT, "INVALID_TABLE_NAME",
		    "the name \"%s\" of table %s.%s.%s is not made of ASCII letters, digits and _ alone", odd, t->catalog, t->schema,
		    t->name);
	return odd == NULL;
}

static bool
may_open(struct zerobus_stream *s, const struct lake_table *t)
{
	struct buffer full = BUFFER_INIT;
	bool may;

	lake_table_full_name(t, &full);
	may = zerobus_stream_may_open(s, buffer_text(&full));
	buffer_release(&full);
	return may;
}

void
zerobus_stream_open(struct zerobus_stream *s, const struct zerobus_create *c)
{
	struct zerobus_server *z = s->server;
	char *name = text_dup(c->table);
	struct lake_name parts;
	struct lake_table *t = NULL;
	struct error e = ERROR_INIT;

	if (!text_equal(c->table, server_call_metadata(s->call, "x-databricks-zerobus-table-name")))
		zerobus_stream_fail(s, INVALID_ARGUMENT, "TABLE_NAME_MISMATCH",
		    "create_stream names table \"%s\", the header x-databricks-zerobus-table-name another", name);
	else if (!split_name(name, &parts))
		zerobus_stream_fail(s, INVALID_ARGUMENT, "INVALID_TABLE_NAME", "table name \"%s\" is not catalog.schema.table", name);
	else if (c->record_type != 1 && c->record_type != 2)
		zerobus_stream_fail(s, INVALID_ARGUMENT, "INVALID_RECORD_TYPE", "record_type must be PROTO or JSON");
	else if ((t = lakehouse_find(z->options.lakehouse, parts)) == NULL)
		zerobus_stream_fail(s, NOT_FOUND, "TABLE_NOT_FOUND", "table %s.%s.%s does not exist", parts.catalog, parts.schema, parts.table);
	else if (check_grants(s, t) && check_features(s, t) && check_names(s, t) && may_open(s, t)) {
		size_t count;
		const int *columns;

		s->json = c->record_type == 2;
		s->plan = s->json ? record_plan_json(t, &e) : record_plan_proto(c->descriptor, t, &e);
		if (s->plan == NULL) {
			zerobus_stream_fail(s, INVALID_ARGUMENT, "SCHEMA_MISMATCH", "%s", e.text);
		} else {
			columns = record_plan_columns(s->plan, &count);
			s->layout = lake_layout_new(z->options.lakehouse, t, columns, count);
			s->state = OPEN;
		}
	}
	if (s->state == OPEN) {
		struct buffer created = BUFFER_INIT, message = BUFFER_INIT;

		zerobus_put_bytes(&created, 1, text_of(random_uuid(s->id)));
		zerobus_put_bytes(&message, 1, buffer_span(&created));
		server_call_send(s->call, &message);
		buffer_release(&created);
		buffer_release(&message);
	}
	lake_table_unref(t);
	free(name);
}
