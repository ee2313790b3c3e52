#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "emulator/soql.h"

/* The next word, or one of , ( ) =; a quoted string comes unescaped with quoted set. NULL: the end. malloc'ed. */
static char *
next(const char **at, bool *quoted)
{
	struct buffer out = BUFFER_INIT;
	const char *p = *at;

	while (isspace((unsigned char)*p))
		p++;
	*quoted = *p == '\'';
	if (*p == '\0') {
		*at = p;
		return NULL;
	}
	if (*quoted) {
		for (p++; *p && *p != '\''; p++) {
			if (*p == '\\' && p[1])
				p++;
			buffer_append_byte(&out, (uint8_t)*p);
		}
		if (*p)
			p++;
	} else if (strchr(",()=", *p)) {
		buffer_append_byte(&out, (uint8_t)*p++);
	} else {
		while (*p && !isspace((unsigned char)*p) && !strchr(",()='", *p))
			buffer_append_byte(&out, (uint8_t)*p++);
	}
	*at = p;
	return buffer_detach(&out);
}

static bool
accept(const char **at, const char *word)
{
	const char *p = *at;
	bool quoted;
	char *found = next(&p, &quoted);
	bool same = found && !quoted && strcasecmp(found, word) == 0;

	free(found);
	if (same)
		*at = p;
	return same;
}

static int
malformed(struct error *e, const char *at)
{
	return error_set(e, ERR_REFUSED, "unexpected token: '%.40s'", *at ? at : "<EOF>");
}

static int
parse_fields(struct soql *q, const char **at, struct error *e)
{
	bool quoted;

	if (accept(at, "COUNT")) {
		q->is_count = true;
		return accept(at, "(") && accept(at, ")") ? 0 : malformed(e, *at);
	}
	do {
		char *field = q->field_count < SOQL_FIELDS ? next(at, &quoted) : NULL;

		if (!field || quoted)
			return free(field), malformed(e, *at);
		q->fields[q->field_count++] = field;
	} while (accept(at, ","));
	return 0;
}

static int
parse_value(struct soql *q, const char **at, struct error *e)
{
	bool quoted;
	char *value = q->value_count < SOQL_VALUES ? next(at, &quoted) : NULL;

	if (!value)
		return malformed(e, *at);
	q->values[q->value_count++] = value;
	return 0;
}

static int
parse_where(struct soql *q, const char **at, struct error *e)
{
	bool quoted;

	q->where = next(at, &quoted);
	if (accept(at, "="))
		return parse_value(q, at, e);
	if (!q->where || !accept(at, "IN") || !accept(at, "("))
		return malformed(e, *at);
	do {
		if (parse_value(q, at, e) != 0)
			return -1;
	} while (accept(at, ","));
	return accept(at, ")") ? 0 : malformed(e, *at);
}

int
soql_parse(struct soql *q, const char *text, struct error *e)
{
	const char *at = text;
	bool quoted;
	char *word;

	*q = (struct soql){ .limit = -1 };
	if (!accept(&at, "SELECT") || parse_fields(q, &at, e) != 0)
		return e->code ? -1 : malformed(e, at);
	if (!accept(&at, "FROM") || !(q->table = next(&at, &quoted)))
		return malformed(e, at);
	if (accept(&at, "WHERE") && parse_where(q, &at, e) != 0)
		return -1;
	if (accept(&at, "ORDER")) { /* rows come by id, which is as good an order as any here */
		if (!accept(&at, "BY"))
			return malformed(e, at);
		free(next(&at, &quoted));
		if (!accept(&at, "ASC"))
			accept(&at, "DESC");
	}
	if (accept(&at, "LIMIT")) {
		word = next(&at, &quoted);
		q->limit = word ? atoll(word) : -1;
		free(word);
	}
	word = next(&at, &quoted);
	free(word);
	return word ? malformed(e, at) : 0;
}

void
soql_release(struct soql *q)
{
	for (size_t i = 0; i < q->field_count; i++)
		free(q->fields[i]);
	for (size_t i = 0; i < q->value_count; i++)
		free(q->values[i]);
	free(q->table);
	free(q->where);
	*q = (struct soql){ 0 };
}

bool
soql_passes(const struct soql *q, const struct json *row)
{
	const struct json *field;
	const char *value;

	if (!q->where)
		return true;
	field = json_find(row, q->where);
	value = json_is_bool(field) ? (json_is_true(field) ? "true" : "false") : json_string(field);
	for (size_t i = 0; value && i < q->value_count; i++)
		if (strcmp(value, q->values[i]) == 0)
			return true;
	return false;
}
