/* The descriptor against the table (wire/zerobus.md §7). */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "emulator/zerobus_private.h"
#include "proto/google/protobuf/descriptor.pb-c.h"

typedef Google__Protobuf__DescriptorProto descriptor;
typedef Google__Protobuf__FieldDescriptorProto field_descriptor;

enum {
	PROTO_DOUBLE = 1,
	PROTO_FLOAT = 2,
	PROTO_INT64 = 3,
	PROTO_INT32 = 5,
	PROTO_BOOL = 8,
	PROTO_STRING = 9,
	PROTO_MESSAGE = 11,
	PROTO_BYTES = 12,
};

static const char *const proto_names[] = {"none", "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32",
    "bool", "string", "group", "message", "bytes", "uint32", "enum", "sfixed32", "sfixed64", "sint32", "sint64"};

/* The proto type of a scalar, 0 for a type that Zerobus does not take. */
static int
proto_type(enum lake_kind kind)
{
	switch (kind) {
	case LAKE_BYTE:
	case LAKE_SHORT:
	case LAKE_INT:
	case LAKE_DATE:
		return PROTO_INT32;
	case LAKE_LONG:
	case LAKE_TIMESTAMP:
	case LAKE_TIMESTAMP_NTZ:
		return PROTO_INT64;
	case LAKE_FLOAT:
		return PROTO_FLOAT;
	case LAKE_DOUBLE:
		return PROTO_DOUBLE;
	case LAKE_BOOLEAN:
		return PROTO_BOOL;
	case LAKE_STRING:
	case LAKE_VARCHAR:
	case LAKE_VARIANT:
	case LAKE_DECIMAL:
		return PROTO_STRING;
	case LAKE_BINARY:
		return PROTO_BYTES;
	case LAKE_STRUCT:
		return PROTO_MESSAGE;
	default:
		return 0;
	}
}

/* Whether a column of this type can be ingested at all; the reason by its name. */
static bool
record_type_is_ingestible(const struct lake_type *t)
{
	switch (t->kind) {
	case LAKE_ARRAY:
		return proto_type(t->element->kind) != 0 && record_type_is_ingestible(t->element);
	case LAKE_MAP:
		return (lake_kind_is_integer(t->key->kind) || t->key->kind == LAKE_BOOLEAN || lake_kind_is_text(t->key->kind)) &&
		    proto_type(t->element->kind) != 0 && record_type_is_ingestible(t->element);
	case LAKE_STRUCT:
		for (size_t i = 0; i < t->field_count; i++)
			if (!record_type_is_ingestible(t->fields[i].type))
				return false;
		return true;
	default:
		return proto_type(t->kind) != 0;
	}
}

static void
plan_message_free(struct plan_message *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->count; i++)
		plan_message_free(m->fields[i].message);
	free(m->fields);
	free(m->by_number);
	free(m);
}

/* Where the compiler is: the whole descriptor and the name of the column for messages. */
struct compiler {
	const descriptor *root;
	const struct lake_table *table;
};

static int
refuse_type(const char *name, const struct lake_type *t, const char *got, struct error *e)
{
	struct buffer text = BUFFER_INIT;

	lake_type_text(t, &text);
	error_set(e, ERR_MISFIT, "field \"%s\" of the descriptor is %s, which does not fit column type %s", name, got,
	    buffer_text(&text));
	buffer_release(&text);
	return -1;
}

/* The message that an absolute type name stands for, inside the root. */
static const descriptor *
find_message(const descriptor *root, const char *type_name)
{
	const descriptor *at = root;
	size_t len = strlen(root->name ? root->name : "");

	if (type_name[0] != '.' || strncmp(type_name + 1, root->name ? root->name : "", len) != 0)
		return NULL;
	type_name += 1 + len;
	while (*type_name == '.') {
		const descriptor *next = NULL;

		type_name++;
		len = strcspn(type_name, ".");
		for (size_t i = 0; i < at->n_nested_type && next == NULL; i++)
			if (at->nested_type[i]->name != NULL && strlen(at->nested_type[i]->name) == len &&
			    strncmp(at->nested_type[i]->name, type_name, len) == 0)
				next = at->nested_type[i];
		if (next == NULL)
			return NULL;
		at = next;
		type_name += len;
	}
	return *type_name == '\0' ? at : NULL;
}

static const descriptor *
message_of(const struct compiler *c, const field_descriptor *f, struct error *e)
{
	const descriptor *m = f->type_name ? find_message(c->root, f->type_name) : NULL;

	if (m == NULL)
		error_set(e, ERR_MISFIT,
		    "proto descriptor is not self-contained: field \"%s\" has type name \"%s\", which is not defined "
		    "inside it. Error Code: 4033, Error State: 0",
		    f->name ? f->name : "", f->type_name ? f->type_name : "");
	return m;
}

static int
check_scalar(const field_descriptor *f, const struct lake_type *t, struct error *e)
{
	int want = proto_type(t->kind), got = f->has_type ? (int)f->type : 0;

	if (want == 0)
		return refuse_type(f->name, t, "for a column that cannot be ingested", e);
	if (got != want)
		return refuse_type(f->name, t, got >= 0 && got <= 18 ? proto_names[got] : "of an unknown type", e);
	return 0;
}

static struct plan_message *compile_message(const struct compiler *c, const descriptor *d,
    const struct lake_field *columns, size_t count, int depth, struct error *e);

/* A single value: scalar or STRUCT. */
static int
compile_value(const struct compiler *c, struct plan_field *p, const field_descriptor *f, const struct lake_type *t,
    int depth, struct error *e)
{
	const descriptor *m;

	p->type = t;
	if (check_scalar(f, t, e) < 0)
		return -1;
	if (t->kind != LAKE_STRUCT)
		return 0;
	m = message_of(c, f, e);
	if (m == NULL)
		return -1;
	if (m->options != NULL && m->options->has_map_entry && m->options->map_entry)
		return refuse_type(f->name, t, "a map", e);
	p->message = compile_message(c, m, t->fields, t->field_count, depth + 1, e);
	return p->message == NULL ? -1 : 0;
}

static const field_descriptor *
field_by_number(const descriptor *d, int number)
{
	for (size_t i = 0; i < d->n_field; i++)
		if (d->field[i]->number == number)
			return d->field[i];
	return NULL;
}

static int
compile_map(const struct compiler *c, struct plan_field *p, const field_descriptor *f, const struct lake_type *t,
    int depth, struct error *e)
{
	const descriptor *m;
	const field_descriptor *key, *value;

	if ((int)f->type != PROTO_MESSAGE)
		return refuse_type(f->name, t, "no message", e);
	m = message_of(c, f, e);
	if (m == NULL)
		return -1;
	key = field_by_number(m, 1);
	value = field_by_number(m, 2);
	if (m->options == NULL || !m->options->map_entry || m->n_field != 2 || key == NULL || value == NULL)
		return refuse_type(f->name, t, "not a map entry (key 1, value 2, options.map_entry)", e);
	p->shape = PLAN_MAP;
	p->key = t->key;
	if (!record_type_is_ingestible(t))
		return refuse_type(f->name, t, "for a column that cannot be ingested", e);
	if (check_scalar(key, t->key, e) < 0)
		return error_wrap(e, "map key of \"%s\"", f->name);
	if (value->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED)
		return refuse_type(f->name, t, "a map of repeated values", e);
	return compile_value(c, p, value, t->element, depth, e);
}

static int
compile_field(const struct compiler *c, struct plan_field *p, const field_descriptor *f, const struct lake_field *column,
    int depth, struct error *e)
{
	const struct lake_type *t = column->type;
	bool repeated = f->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;

	p->number = (uint32_t)f->number;
	p->name = column->name;
	p->required = !column->nullable && !repeated;
	p->required |= f->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED;
	if (repeated != (t->kind == LAKE_ARRAY || t->kind == LAKE_MAP))
		return refuse_type(f->name, t, repeated ? "repeated" : "not repeated", e);
	if (t->kind == LAKE_MAP)
		return compile_map(c, p, f, t, depth, e);
	if (t->kind != LAKE_ARRAY)
		return compile_value(c, p, f, t, depth, e);
	p->shape = PLAN_ARRAY;
	return compile_value(c, p, f, t->element, depth, e);
}

static int
check_number(const descriptor *d, const field_descriptor *f, struct error *e)
{
	int n = f->has_number ? f->number : 0;

	if (n < 1 || n > 536870911 || (n >= 19000 && n <= 19999))
		return error_set(e, ERR_MISFIT, "field \"%s\" of the descriptor has number %d, which proto does not allow",
		    f->name, n);
	if (field_by_number(d, n) != f)
		return error_set(e, ERR_MISFIT, "two fields of the descriptor have number %d", n);
	if (f->has_oneof_index && !f->proto3_optional)
		return error_set(e, ERR_MISFIT, "field \"%s\" of the descriptor is in a oneof", f->name);
	return 0;
}

static const struct lake_field *
find_column(const struct lake_field *columns, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(columns[i].name, name) == 0)
			return &columns[i];
	return NULL;
}

static void
index_numbers(struct plan_message *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->fields[i].number > m->highest)
			m->highest = m->fields[i].number;
	/* beyond the usual numbers a linear search does; a table of half a billion entries would not */
	if (m->highest > 32 * LIMIT_COLUMNS)
		return;
	m->by_number = memory_alloc((m->highest + 1) * sizeof(*m->by_number));
	memset(m->by_number, 0xff, (m->highest + 1) * sizeof(*m->by_number));
	for (size_t i = 0; i < m->count; i++)
		m->by_number[m->fields[i].number] = (int16_t)i;
}

static int
check_names(const struct compiler *c, const descriptor *d, const struct lake_field *columns, size_t count, int depth,
    struct error *e)
{
	for (size_t i = 0; i < d->n_field; i++) {
		const char *name = d->field[i]->name ? d->field[i]->name : "";

		for (size_t j = 0; j < i; j++)
			if (strcmp(d->field[j]->name, name) == 0)
				return error_set(e, ERR_MISFIT, "field \"%s\" is in the descriptor twice", name);
		if (find_column(columns, count, name) == NULL)
			return error_set(e, ERR_MISFIT, "field \"%s\" of the descriptor is not a %s of table %s.%s.%s", name,
			    depth ? "struct field" : "column", c->table->catalog, c->table->schema, c->table->name);
	}
	if (d->n_extension > 0)
		return error_set(e, ERR_MISFIT, "the descriptor has extensions");
	return 0;
}

static struct plan_message *
compile_message(const struct compiler *c, const descriptor *d, const struct lake_field *columns, size_t count, int depth,
    struct error *e)
{
	struct plan_message *m = memory_zero(1, sizeof(*m));

	m->fields = memory_zero(d->n_field + 1, sizeof(*m->fields));
	if (check_names(c, d, columns, count, depth, e) < 0)
		goto fail;
	/* in the order of the columns, so that a struct's JSON comes out in its own order */
	for (size_t i = 0; i < count; i++) {
		const field_descriptor *f = NULL;

		for (size_t j = 0; j < d->n_field && f == NULL; j++)
			if (strcmp(d->field[j]->name, columns[i].name) == 0)
				f = d->field[j];
		if (f == NULL && columns[i].nullable)
			continue;
		if (f == NULL) {
			error_set(e, ERR_MISFIT, "column \"%s\" is NOT NULL and the descriptor lacks it", columns[i].name);
			goto fail;
		}
		if (check_number(d, f, e) < 0 || compile_field(c, &m->fields[m->count++], f, &columns[i], depth, e) < 0)
			goto fail;
	}
	index_numbers(m);
	return m;
fail:
	plan_message_free(m);
	return NULL;
}

struct record_plan *
record_plan_proto(struct text bytes, struct lake_table *table, struct error *e)
{
	descriptor *d = google__protobuf__descriptor_proto__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
	struct compiler c = {.root = d, .table = table};
	struct record_plan *p = NULL;
	struct plan_message *m;

	if (d == NULL || bytes.len == 0) {
		error_set(e, ERR_MISFIT, "descriptor_proto is not a serialized DescriptorProto");
		goto out;
	}
	if (d->n_field > LIMIT_COLUMNS) {
		error_set(e, ERR_MISFIT, "the descriptor has %zu fields, more than %d", d->n_field, LIMIT_COLUMNS);
		goto out;
	}
	m = compile_message(&c, d, table->columns, table->column_count, 0, e);
	if (m == NULL)
		goto out;
	p = memory_zero(1, sizeof(*p));
	p->table = lake_table_ref(table);
	p->message = m;
	p->count = m->count;
	p->columns = memory_alloc((m->count + 1) * sizeof(*p->columns));
	for (size_t i = 0; i < m->count; i++)
		p->columns[i] = lake_table_column(table, text_of(m->fields[i].name));
out:
	if (d != NULL)
		google__protobuf__descriptor_proto__free_unpacked(d, NULL);
	return p;
}

struct record_plan *
record_plan_json(struct lake_table *table, struct error *e)
{
	struct record_plan *p = memory_zero(1, sizeof(*p));

	p->table = lake_table_ref(table);
	p->columns = memory_alloc((table->column_count + 1) * sizeof(*p->columns));
	for (size_t i = 0; i < table->column_count; i++) {
		const struct lake_field *f = &table->columns[i];

		if (record_type_is_ingestible(f->type)) {
			p->columns[p->count++] = (int)i;
		} else if (!f->nullable) {
			refuse_type(f->name, f->type, "for a column that cannot be ingested", e);
			record_plan_free(p);
			return NULL;
		}
	}
	return p;
}

void
record_plan_free(struct record_plan *p)
{
	if (p == NULL)
		return;
	plan_message_free(p->message);
	free(p->columns);
	lake_table_unref(p->table);
	free(p);
}

const int *
record_plan_columns(const struct record_plan *p, size_t *count)
{
	*count = p->count;
	return p->columns;
}
