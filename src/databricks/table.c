#include "databricks/table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/memory.h"

bool
delta_name_is_plain(const char *name)
{
	if (*name == '\0' || isdigit((unsigned char)*name))
		return false;
	for (; *name != '\0'; name++)
		if ((unsigned char)*name >= 0x80 ||
		    (!isalnum((unsigned char)*name) && *name != '_'))
			return false;
	return true;
}

void
delta_quote(struct buffer *out, const char *name)
{
	buffer_append_byte(out, '`');
	for (; *name != '\0'; name++) {
		if (*name == '`')
			buffer_append_byte(out, '`');
		buffer_append_byte(out, (uint8_t)*name);
	}
	buffer_append_byte(out, '`');
}

void
delta_quote_if_needed(struct buffer *out, const char *name)
{
	static const char *const words[] = {"timestamp", "date", "table", "select", "from", "where",
	    "order", "group", "user", "values", "array", "map", "struct", "interval", "null", "not",
	    "and", "or", "in", "on", "as", "by"};

	if (!delta_name_is_plain(name)) {
		delta_quote(out, name);
		return;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(name, words[i]) == 0) {
			delta_quote(out, name);
			return;
		}
	buffer_append_text(out, name);
}

/* One part up to its '.' or the end; returns where it ended, NULL when malformed. */
static const char *
split_part(const char *s, char *part)
{
	bool quoted = *s == '`';
	size_t n = 0;

	for (s += quoted; *s != '\0'; s++) {
		if (quoted && *s == '`' && *++s != '`') {
			quoted = false;
			break;
		}
		if (!quoted && (*s == '.' || *s == '`'))
			break;
		if (n + 1 == DELTA_PART_SIZE)
			return NULL;
		part[n++] = *s;
	}
	part[n] = '\0';
	return n == 0 || quoted || (*s != '\0' && *s != '.') ? NULL : s;
}

int
delta_split_name(const char *full, char parts[3][DELTA_PART_SIZE], struct error *e)
{
	const char *s = full;

	for (int i = 0; i < 3; i++) {
		s = split_part(s, parts[i]);
		if (s == NULL || (i < 2) != (*s == '.')) {
			char clean[300];

			error_set(e, ERR_USAGE, "table name '%s' is not catalog.schema.table",
			    text_clean(clean, sizeof(clean), text_of(full)));
			return error_hint(e,
			    "write all three parts, as in main.crm.account_events; put a part "
			    "with other characters than letters, digits and '_' in backticks");
		}
		s++;
	}
	return 0;
}

char *
delta_shell_name(const char *catalog, const char *schema, const char *name)
{
	const char *const parts[] = {catalog, schema, name};
	struct buffer full = BUFFER_INIT, quoted = BUFFER_INIT;
	bool is_plain = true;

	for (int i = 0; i < 3; i++) {
		if (i > 0)
			buffer_append_byte(&full, '.');
		if (delta_name_is_plain(parts[i])) {
			buffer_append_text(&full, parts[i]);
		} else {
			delta_quote(&full, parts[i]);
			is_plain = false;
		}
	}
	if (is_plain)
		return buffer_detach(&full);
	buffer_append_byte(&quoted, '\'');
	for (size_t i = 0; i < full.len; i++) {
		if (full.data[i] == '\'')
			buffer_append_text(&quoted, "'\\'");
		buffer_append_byte(&quoted, full.data[i]);
	}
	buffer_append_byte(&quoted, '\'');
	buffer_release(&full);
	return buffer_detach(&quoted);
}

char *
delta_shell_full_name(const char *full)
{
	char parts[3][DELTA_PART_SIZE];

	if (delta_split_name(full, parts, NULL) != 0)
		return memory_strdup(full);
	return delta_shell_name(parts[0], parts[1], parts[2]);
}

static char *
dup_or_empty(const char *s)
{
	return memory_strdup(s != NULL ? s : "");
}

/* GENERATED ALWAYS AS (…), and identity columns, which the table fills by itself too. */
static bool
is_generated(const struct json *metadata)
{
	return json_find(metadata, "delta.generationExpression") != NULL ||
	    json_find(metadata, "delta.identity.start") != NULL;
}

static int
parse_column_type(struct delta_column *c, const struct json *j, struct error *e)
{
	const char *json = json_find_string(j, "type_json"),
		   *text = json_find_string(j, "type_text");
	struct json *type = NULL;
	int rc;

	if (json != NULL && *json != '\0') {
		type = json_parse(text_of(json), NULL);
		/* older answers hold the bare word without quotes */
		if (type == NULL)
			return delta_type_parse_text(&c->type, json, e);
		rc = delta_type_parse_json(&c->type, type, e);
		c->generated = is_generated(json_find(type, "metadata"));
		json_free(type);
		if (rc != 0)
			return -1;
	} else if (text != NULL && *text != '\0') {
		if (delta_type_parse_text(&c->type, text, e) != 0)
			return -1;
	} else {
		text = json_find_string(j, "type_name");
		if (text == NULL)
			return error_set(e, ERR_REFUSED, "no type");
		if (delta_type_parse_text(&c->type, text, e) != 0)
			return -1;
		if (c->type.kind == DELTA_DECIMAL) {
			c->type.precision = (int)json_find_int64(j, "type_precision", 10);
			c->type.scale = (int)json_find_int64(j, "type_scale", 0);
		}
	}
	/* varchar(n) may show in the text alone */
	if (c->type.kind == DELTA_STRING && text != NULL &&
	    (strncasecmp(text, "varchar(", 8) == 0 || strncasecmp(text, "char(", 5) == 0)) {
		delta_type_release(&c->type);
		return delta_type_parse_text(&c->type, text, e);
	}
	return 0;
}

static int
parse_column(struct delta_column *c, const struct json *j, size_t index, struct error *e)
{
	const char *name = json_find_string(j, "name"), *comment = json_find_string(j, "comment");
	char clean[128];

	*c = (struct delta_column){.type = {.kind = DELTA_OTHER}, .name = dup_or_empty(name)};
	if (name == NULL || *name == '\0')
		return error_set(e, ERR_REFUSED, "column %zu has no name", index);
	c->comment = memory_strdup(comment);
	c->nullable = json_find_bool(j, "nullable", true);
	c->position = (int)json_find_int64(j, "position", 0);
	if (parse_column_type(c, j, e) != 0)
		return error_wrap(
		    e, "column '%s'", text_clean(clean, sizeof(clean), text_of(name)));
	return 0;
}

static int
by_position(const void *a, const void *b)
{
	const struct delta_column *x = a, *y = b;

	return (x->position > y->position) - (x->position < y->position);
}

/* Zero positions may be absent, so a table without any is numbered in the order of its list. */
static void
settle_positions(struct delta_table *t)
{
	bool distinct = true;

	for (size_t i = 0; i < t->column_count && distinct; i++) {
		distinct =
		    t->columns[i].position >= 0 && t->columns[i].position < 100 * LIMIT_COLUMNS;
		for (size_t k = 0; k < i && distinct; k++)
			distinct = t->columns[k].position != t->columns[i].position;
	}
	for (size_t i = 0; i < t->column_count && !distinct; i++)
		t->columns[i].position = (int)i;
	if (t->column_count > 0)
		qsort(t->columns, t->column_count, sizeof(*t->columns), by_position);
}

static int
parse_columns(struct delta_table *t, const struct json *list, struct error *e)
{
	size_t count = json_count(list), index = 0;

	if (count > LIMIT_COLUMNS)
		return error_set(e, ERR_MISFIT, "%zu columns, more than the %d that Zerobus takes",
		    count, LIMIT_COLUMNS);
	t->columns = memory_zero(count + 1, sizeof(*t->columns));
	for (const struct json *j = json_first(list); j != NULL; j = json_next(j)) {
		t->column_count++;
		if (parse_column(&t->columns[index], j, index, e) != 0)
			return -1;
		index++;
	}
	settle_positions(t);
	return 0;
}

struct delta_table *
delta_table_parse(const struct json *answer, struct error *e)
{
	struct delta_table *t = memory_zero(1, sizeof(*t));
	const char *tracking =
	    json_find_string(json_find(answer, "properties"), "delta.enableRowTracking");
	char clean[300];

	t->catalog = dup_or_empty(json_find_string(answer, "catalog_name"));
	t->schema = dup_or_empty(json_find_string(answer, "schema_name"));
	t->name = dup_or_empty(json_find_string(answer, "name"));
	t->full_name = memory_format("%s.%s.%s", t->catalog, t->schema, t->name);
	t->kind = dup_or_empty(json_find_string(answer, "table_type"));
	t->format = dup_or_empty(json_find_string(answer, "data_source_format"));
	t->row_tracking = tracking != NULL && strcasecmp(tracking, "true") == 0;
	if (*t->catalog == '\0' || *t->schema == '\0' || *t->name == '\0') {
		error_set(e, ERR_REFUSED, "the catalog's answer names no table");
		goto failed;
	}
	if (parse_columns(t, json_find(answer, "columns"), e) != 0) {
		error_wrap(
		    e, "table '%s'", text_clean(clean, sizeof(clean), text_of(t->full_name)));
		goto failed;
	}
	return t;
failed:
	delta_table_free(t);
	return NULL;
}

void
delta_table_free(struct delta_table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->column_count; i++) {
		free(t->columns[i].name);
		free(t->columns[i].comment);
		delta_type_release(&t->columns[i].type);
	}
	free(t->columns);
	free(t->catalog);
	free(t->schema);
	free(t->name);
	free(t->full_name);
	free(t->kind);
	free(t->format);
	free(t);
}

const struct delta_column *
delta_table_find(const struct delta_table *t, const char *name)
{
	for (size_t i = 0; i < t->column_count; i++)
		if (strcasecmp(t->columns[i].name, name) == 0)
			return &t->columns[i];
	return NULL;
}

bool
delta_table_has_text(const struct delta_table *t, const char *name)
{
	const struct delta_column *c = delta_table_find(t, name);

	return c != NULL && (c->type.kind == DELTA_STRING || c->type.kind == DELTA_VARCHAR);
}
