#include "databricks/record_parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/memory.h"
#include "databricks/descriptor.h"
#include "databricks/zerobus_wire.h"

/* ---- compiling */

static void
sort_names(struct node *n)
{
	n->by_name = memory_zero(n->part_count + 1, sizeof(*n->by_name));
	for (size_t i = 0; i < n->part_count; i++) {
		const char *name = n->parts[i].name;
		size_t at = i;

		for (; at > 0 && strcasecmp(n->parts[n->by_name[at - 1]].name, name) > 0; at--)
			n->by_name[at] = n->by_name[at - 1];
		n->by_name[at] = (uint32_t)i;
	}
}

static unsigned
wire_type(enum delta_kind kind)
{
	switch (descriptor_scalar(kind)) {
	case PROTO_DOUBLE:
		return WIRE_FIXED64;
	case PROTO_FLOAT:
		return WIRE_FIXED32;
	case PROTO_INT32:
	case PROTO_INT64:
	case PROTO_BOOL:
		return WIRE_VARINT;
	default:
		return WIRE_BYTES;
	}
}

/* The addresses of parts stay: each array of them is allocated whole, before its parts are filled in. */
static void
compile(struct node *n, const struct node *parent, const char *name, const struct delta_type *t, bool nullable,
    uint32_t number)
{
	const struct delta_type *inner[2] = {t->kind == DELTA_MAP ? t->key : t->element, t->element};
	struct buffer key = BUFFER_INIT;

	*n = (struct node){.parent = parent,
	    .name = memory_strdup(name),
	    .kind = t->kind,
	    .precision = t->precision,
	    .scale = t->scale,
	    .nullable = nullable};
	n->tag_len = (uint8_t)(wire_put_varint(n->tag, (uint64_t)number << 3 | wire_type(t->kind)) - n->tag);
	if (name != NULL) {
		json_text_string(&key, text_of(name));
		buffer_append_byte(&key, ':');
		n->key.len = key.len;
		n->key.data = buffer_detach(&key);
	}
	n->part_count = t->kind == DELTA_STRUCT ? t->field_count : t->kind == DELTA_MAP ? 2 : t->kind == DELTA_ARRAY;
	if (n->part_count > 0)
		n->parts = memory_zero(n->part_count, sizeof(*n->parts));
	for (size_t i = 0; i < n->part_count; i++) {
		if (t->kind == DELTA_STRUCT)
			compile(&n->parts[i], n, t->fields[i].name, &t->fields[i].type, t->fields[i].nullable,
			    descriptor_number((int)i));
		else /* an element has its array's number; key and value are fields of the entry */
			compile(&n->parts[i], n, NULL, inner[i], false, t->kind == DELTA_ARRAY ? number : (uint32_t)i + 1);
	}
	if (t->kind == DELTA_STRUCT)
		sort_names(n);
}

static void
node_release(struct node *n)
{
	for (size_t i = 0; i < n->part_count; i++)
		node_release(&n->parts[i]);
	free(n->parts);
	free(n->by_name);
	free(n->name);
	free((char *)n->key.data);
}

/* Whether "a,b,c" has the name. */
static bool
is_listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; *at != '\0'; at += *at == ',') {
		size_t n = strcspn(at, ",");

		if (n == len && strncasecmp(at, name, n) == 0)
			return true;
		at += n;
	}
	return false;
}

static int
check_list(const struct delta_table *t, const char *list, struct error *e)
{
	for (const char *at = list; *at != '\0'; at += *at == ',') {
		size_t n = strcspn(at, ",");
		char *name = memory_strndup(at, n), clean[128];
		bool known = delta_table_find(t, name) != NULL;

		text_clean(clean, sizeof(clean), text_of(name));
		free(name);
		if (!known)
			return error_set(e, ERR_MISFIT, "table '%s' has no column '%s'", t->full_name, clean);
		at += n;
	}
	return 0;
}

static int
choose_column(struct record_writer *w, const struct delta_table *t, size_t i, struct error *e)
{
	const struct delta_column *c = &t->columns[i];
	const char *list = w->options.columns;
	char clean[128];

	text_clean(clean, sizeof(clean), text_of(c->name));
	if (c->generated)
		return error_set(e, ERR_MISFIT, "column '%s' of table '%s' is GENERATED, which Zerobus cannot write to", clean,
		    t->full_name);
	if (list != NULL && !is_listed(list, c->name)) {
		if (!c->nullable)
			return error_set(e, ERR_MISFIT, "column '%s' of table '%s' is NOT NULL and not among the columns given",
			    clean, t->full_name);
		return 0;
	}
	if (descriptor_check_column(c, e) != 0) {
		error_wrap(e, "table '%s'", t->full_name);
		if (c->nullable)
			error_hint(e, "leave it out: name the other columns with --columns, and it stays NULL");
		return -1;
	}
	w->columns[i] = true;
	return 1;
}

struct record_writer *
record_writer_new(const struct delta_table *t, const struct record_options *o, struct error *e)
{
	struct record_writer *w = memory_zero(1, sizeof(*w));

	w->options = *o;
	if (w->options.max_bytes == 0)
		w->options.max_bytes = LIMIT_ROW_BYTES;
	w->columns = memory_zero(t->column_count + 1, sizeof(*w->columns));
	w->row.kind = DELTA_STRUCT;
	w->row.parts = memory_zero(t->column_count + 1, sizeof(*w->row.parts));
	if (o->columns != NULL && check_list(t, o->columns, e) != 0)
		goto failed;
	for (size_t i = 0; i < t->column_count; i++) {
		const struct delta_column *c = &t->columns[i];
		int chosen = choose_column(w, t, i, e);

		if (chosen < 0)
			goto failed;
		if (chosen > 0)
			compile(&w->row.parts[w->row.part_count++], &w->row, c->name, &c->type, c->nullable,
			    descriptor_number(c->position));
	}
	if (w->row.part_count == 0) {
		error_set(e, ERR_MISFIT, "table '%s' has no column to ingest into", t->full_name);
		goto failed;
	}
	sort_names(&w->row);
	w->options.columns = NULL; /* borrowed for this call */
	return w;
failed:
	record_writer_free(w);
	return NULL;
}

void
record_writer_free(struct record_writer *w)
{
	if (w == NULL)
		return;
	node_release(&w->row);
	free(w->columns);
	buffer_release(&w->state);
	buffer_release(&w->scratch);
	free(w);
}

const bool *
record_writer_columns(const struct record_writer *w)
{
	return w->columns;
}

/* ---- names */

/* The name of a field and a key, in the order that strcasecmp has for names. */
static int
compare_names(const char *name, struct text key)
{
	size_t len = strlen(name);
	int order = strncasecmp(name, key.data, len < key.len ? len : key.len);

	return order != 0 ? order : (len > key.len) - (len < key.len);
}

const struct node *
node_find_field(const struct node *n, struct text key)
{
	size_t low = 0, high = n->part_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct node *field = &n->parts[n->by_name[middle]];
		int order = compare_names(field->name, key);

		if (order == 0)
			return field;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- errors */

static void
write_path(struct buffer *out, const struct node *n)
{
	if (n->parent != NULL && n->parent->parent != NULL) {
		write_path(out, n->parent);
		if (n->name != NULL)
			buffer_append_byte(out, '.');
	}
	buffer_append_text(out, n->name != NULL ? n->name : "[]");
}

/* Puts "column 'addr.tags[]': " in front. */
int
node_at_fault(const struct node *n, struct error *e)
{
	struct buffer path = BUFFER_INIT;
	char clean[200];

	write_path(&path, n);
	text_clean(clean, sizeof(clean), buffer_span(&path));
	buffer_release(&path);
	return error_wrap(e, "column '%s'", clean);
}

int
node_refuse(const struct node *n, struct error *e, const char *why)
{
	error_set(e, ERR_REFUSED, "%s", why);
	return node_at_fault(n, e);
}

const char *
record_token_words(enum json_token token)
{
	switch (token) {
	case JSON_TOKEN_NULL:
		return "NULL";
	case JSON_TOKEN_TRUE:
	case JSON_TOKEN_FALSE:
		return "true or false";
	case JSON_TOKEN_NUMBER:
		return "a number";
	case JSON_TOKEN_STRING:
		return "text";
	case JSON_TOKEN_OBJECT:
		return "an object";
	case JSON_TOKEN_ARRAY:
		return "an array";
	default:
		return "nothing";
	}
}

int
node_wrong_kind(const struct node *n, enum json_token token, const char *wanted, struct error *e)
{
	error_set(e, ERR_REFUSED, "it takes %s, not %s", wanted, record_token_words(token));
	return node_at_fault(n, e);
}

/* ---- cells */

enum record_cell
record_writer_cell(const struct record_writer *w, struct text name)
{
	const struct node *n = node_find_field(&w->row, name);

	if (n == NULL)
		return RECORD_CELL_UNKNOWN;
	switch (n->kind) {
	case DELTA_ARRAY:
	case DELTA_MAP:
	case DELTA_STRUCT:
		return RECORD_CELL_JSON;
	case DELTA_VARIANT:
		return RECORD_CELL_VARIANT;
	case DELTA_STRING:
	case DELTA_VARCHAR:
	case DELTA_BINARY:
		return RECORD_CELL_TEXT;
	default:
		return RECORD_CELL_PLAIN;
	}
}
