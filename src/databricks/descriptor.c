#include "databricks/descriptor.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "databricks/zerobus_wire.h"

/* Numbers of google/protobuf/descriptor.proto. */
enum {
	MESSAGE_NAME = 1,
	MESSAGE_FIELD = 2,
	MESSAGE_NESTED = 3,
	MESSAGE_OPTIONS = 7,
	OPTION_MAP_ENTRY = 7
};
enum {
	FIELD_NAME = 1,
	FIELD_NUMBER = 3,
	FIELD_LABEL = 4,
	FIELD_TYPE = 5,
	FIELD_TYPE_NAME = 6,
	FIELD_JSON_NAME = 10
};
enum label { LABEL_OPTIONAL = 1, LABEL_REQUIRED = 2, LABEL_REPEATED = 3 };

/* A column or a struct's field: what becomes one field of a message. */
struct part {
	const char *name;
	const struct delta_type *type;
	bool nullable;
	uint32_t number;
};

/* A message under construction. Nested ones go to a buffer of their own, because they come last. */
struct message {
	const char *name;
	const char *path; /* ".Root.Addr" */
	bool root; /* nested names stand alone; elsewhere they begin with the name */
	struct buffer *out;
	struct buffer nested;
	char **taken; /* names in this scope: fields and nested messages share it */
	size_t taken_count, taken_capacity;
	const struct message *parent;
	const char *field; /* the parent's field that this is the type of */
	int depth;
	struct error *e;
};

enum proto_type
descriptor_scalar(enum delta_kind kind)
{
	switch (kind) {
	case DELTA_BOOLEAN:
		return PROTO_BOOL;
	case DELTA_BYTE:
	case DELTA_SHORT:
	case DELTA_INT:
	case DELTA_DATE:
		return PROTO_INT32;
	case DELTA_LONG:
	case DELTA_TIMESTAMP:
	case DELTA_TIMESTAMP_NTZ:
		return PROTO_INT64;
	case DELTA_FLOAT:
		return PROTO_FLOAT;
	case DELTA_DOUBLE:
		return PROTO_DOUBLE;
	case DELTA_DECIMAL:
	case DELTA_STRING:
	case DELTA_VARCHAR:
	case DELTA_VARIANT:
		return PROTO_STRING;
	case DELTA_BINARY:
		return PROTO_BYTES;
	default:
		return 0;
	}
}

uint32_t
descriptor_number(int position)
{
	uint32_t n = (uint32_t)position + 1;

	/* 19000 … 19999 belong to protobuf itself */
	return n < 19000 ? n : n + 1000;
}

/* Letters and digits, upper case at the start and behind anything else: "billing_address" →
 * "BillingAddress". */
static void
write_pascal(struct buffer *out, const char *name)
{
	bool upper = true;

	for (; *name != '\0'; name++) {
		unsigned char c = (unsigned char)*name;

		if (c >= 0x80 || !isalnum(c)) {
			upper = true;
			continue;
		}
		buffer_append_byte(out, (uint8_t)(upper ? toupper(c) : c));
		upper = false;
	}
}

/* "addr.geo.lat": where in the column a fault lies. */
static void
write_where(struct buffer *out, const struct message *m, const char *name)
{
	if (m->parent != NULL) {
		write_where(out, m->parent, m->field);
		buffer_append_byte(out, '.');
	}
	buffer_append_text(out, name);
}

static int
refuse(const struct message *m, const struct part *p, const char *why)
{
	struct buffer where = BUFFER_INIT, sql = BUFFER_INIT;
	char clean[256], type[128];

	write_where(&where, m, p->name);
	delta_type_write_sql(&sql, p->type);
	error_set(m->e, ERR_MISFIT, "column '%s' (%s): %s",
	    text_clean(clean, sizeof(clean), buffer_span(&where)),
	    text_clean(type, sizeof(type), buffer_span(&sql)), why);
	buffer_release(&where);
	buffer_release(&sql);
	return -1;
}

static bool
is_taken(const struct message *m, const char *name)
{
	for (size_t i = 0; i < m->taken_count; i++)
		if (strcmp(m->taken[i], name) == 0)
			return true;
	return false;
}

/* Takes ownership of name. */
static void
take(struct message *m, char *name)
{
	m->taken =
	    memory_reserve(m->taken, &m->taken_capacity, m->taken_count + 1, sizeof(*m->taken));
	m->taken[m->taken_count++] = name;
}

/* protobuf demands exactly this name of a map's entry. Returns a string to free. */
static char *
entry_name(const char *field)
{
	struct buffer b = BUFFER_INIT;

	write_pascal(&b, field);
	buffer_append_text(&b, "Entry");
	return buffer_detach(&b);
}

/* A free name for the message behind a field; owned by m. */
static const char *
nested_name(struct message *m, const char *field, const char *suffix)
{
	struct buffer b = BUFFER_INIT;
	char *base, *name;

	if (!m->root)
		buffer_append_text(&b, m->name);
	write_pascal(&b, field);
	buffer_append_text(&b, suffix);
	base = buffer_detach(&b);
	if (!isalpha((unsigned char)*base)) {
		name = memory_format("M%s", base);
		free(base);
		base = name;
	}
	name = memory_strdup(base);
	for (int n = 2; is_taken(m, name); n++) {
		free(name);
		name = memory_format("%s%d", base, n);
	}
	free(base);
	take(m, name);
	return name;
}

static void
write_field(struct buffer *out, const char *name, uint32_t number, enum label label,
    enum proto_type type, const char *type_name)
{
	struct buffer f = BUFFER_INIT;

	wire_field_text(&f, FIELD_NAME, name);
	wire_field_varint(&f, FIELD_NUMBER, number);
	wire_field_varint(&f, FIELD_LABEL, (uint64_t)label);
	wire_field_varint(&f, FIELD_TYPE, (uint64_t)type);
	if (type_name != NULL)
		wire_field_text(&f, FIELD_TYPE_NAME, type_name);
	wire_field_text(&f, FIELD_JSON_NAME, name);
	wire_field_bytes(out, MESSAGE_FIELD, f.data, f.len);
	buffer_release(&f);
}

static int write_message(struct message *m, const struct part *parts, size_t count);

/* The message of a STRUCT; *type_name is its absolute name, to be freed. */
static int
write_struct(struct message *m, const char *field, const struct delta_type *t, const char *suffix,
    char **type_name)
{
	const char *name = nested_name(m, field, suffix);
	struct part *parts = memory_zero(t->field_count + 1, sizeof(*parts));
	struct buffer body = BUFFER_INIT;
	struct message inner = {.name = name,
	    .out = &body,
	    .parent = m,
	    .field = field,
	    .depth = m->depth + 1,
	    .e = m->e};
	int rc;

	*type_name = memory_format("%s.%s", m->path, name);
	inner.path = *type_name;
	for (size_t i = 0; i < t->field_count; i++)
		parts[i] = (struct part){t->fields[i].name, &t->fields[i].type,
		    t->fields[i].nullable, descriptor_number((int)i)};
	rc = write_message(&inner, parts, t->field_count);
	if (rc == 0)
		wire_field_bytes(&m->nested, MESSAGE_NESTED, body.data, body.len);
	buffer_release(&body);
	free(parts);
	return rc;
}

static bool
is_map_key(enum delta_kind kind)
{
	switch (kind) {
	case DELTA_BYTE:
	case DELTA_SHORT:
	case DELTA_INT:
	case DELTA_LONG:
	case DELTA_BOOLEAN:
	case DELTA_STRING:
	case DELTA_VARCHAR:
		return true;
	default:
		return false;
	}
}

static int
write_map(struct message *m, const struct part *p)
{
	const struct delta_type *value = p->type->element;
	enum proto_type type = descriptor_scalar(value->kind);
	struct buffer entry = BUFFER_INIT, options = BUFFER_INIT;
	char *name, *value_name = NULL, *type_name;
	int rc = -1;

	if (!is_map_key(p->type->key->kind))
		return refuse(
		    m, p, "Zerobus takes only integers, BOOLEAN and STRING as keys of a MAP");
	if (type == 0 && value->kind != DELTA_STRUCT)
		return refuse(m, p, "Zerobus does not take this type as the value of a MAP");
	name = entry_name(p->name);
	type_name = memory_format("%s.%s", m->path, name);
	if (type == 0) {
		if (write_struct(m, p->name, value, "Value", &value_name) != 0)
			goto out;
		type = PROTO_MESSAGE;
	}
	wire_field_text(&entry, MESSAGE_NAME, name);
	write_field(&entry, "key", 1, LABEL_OPTIONAL, descriptor_scalar(p->type->key->kind), NULL);
	write_field(&entry, "value", 2, LABEL_OPTIONAL, type, value_name);
	wire_field_varint(&options, OPTION_MAP_ENTRY, 1);
	wire_field_bytes(&entry, MESSAGE_OPTIONS, options.data, options.len);
	wire_field_bytes(&m->nested, MESSAGE_NESTED, entry.data, entry.len);
	write_field(m->out, p->name, p->number, LABEL_REPEATED, PROTO_MESSAGE, type_name);
	rc = 0;
out:
	buffer_release(&entry);
	buffer_release(&options);
	free(value_name);
	free(type_name);
	free(name);
	return rc;
}

static int
write_part(struct message *m, const struct part *p)
{
	const struct delta_type *t = p->type;
	enum label label = p->nullable ? LABEL_OPTIONAL : LABEL_REQUIRED;
	const char *suffix = "";
	enum proto_type type;
	char *type_name = NULL;
	int rc;

	if (!delta_name_is_plain(p->name))
		return refuse(m, p, "Zerobus takes only names of ASCII letters, digits and '_'");
	if (t->kind == DELTA_MAP)
		return write_map(m, p);
	if (t->kind == DELTA_ARRAY) {
		t = t->element;
		label = LABEL_REPEATED;
		suffix = "Element";
	}
	type = descriptor_scalar(t->kind);
	if (type != 0) {
		write_field(m->out, p->name, p->number, label, type, NULL);
		return 0;
	}
	if (t->kind != DELTA_STRUCT)
		return refuse(m, p,
		    label == LABEL_REPEATED ? "Zerobus does not take this type in an ARRAY"
					    : "Zerobus does not take this type");
	rc = write_struct(m, p->name, t, suffix, &type_name);
	if (rc == 0)
		write_field(m->out, p->name, p->number, label, PROTO_MESSAGE, type_name);
	free(type_name);
	return rc;
}

/* Fields keep their names and map entries have no choice, so these are taken before any other name
 * is made. */
static int
take_fixed_names(struct message *m, const struct part *parts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_taken(m, parts[i].name))
			return refuse(m, &parts[i], "two fields have this name");
		take(m, memory_strdup(parts[i].name));
	}
	for (size_t i = 0; i < count; i++) {
		char *name;

		if (parts[i].type->kind != DELTA_MAP)
			continue;
		name = entry_name(parts[i].name);
		if (is_taken(m, name)) {
			free(name);
			return refuse(m, &parts[i],
			    "the name that protobuf demands for this MAP's entries is "
			    "taken by another field");
		}
		take(m, name);
	}
	return 0;
}

static int
write_message(struct message *m, const struct part *parts, size_t count)
{
	int rc = -1;

	if (m->depth > LIMIT_TYPE_DEPTH) {
		error_set(m->e, ERR_MISFIT, "a column nested deeper than %d", LIMIT_TYPE_DEPTH);
		goto out;
	}
	if (take_fixed_names(m, parts, count) != 0)
		goto out;
	wire_field_text(m->out, MESSAGE_NAME, m->name);
	for (size_t i = 0; i < count; i++)
		if (write_part(m, &parts[i]) != 0)
			goto out;
	buffer_append(m->out, m->nested.data, m->nested.len);
	rc = 0;
out:
	for (size_t i = 0; i < m->taken_count; i++)
		free(m->taken[i]);
	free(m->taken);
	buffer_release(&m->nested);
	return rc;
}

static int
write_root(
    struct buffer *out, const char *name, const struct part *parts, size_t count, struct error *e)
{
	char *path = memory_format(".%s", name);
	struct message m = {.name = name, .path = path, .root = true, .out = out, .e = e};
	size_t start = out->len;
	int rc = write_message(&m, parts, count);

	if (rc != 0)
		out->len = start;
	free(path);
	return rc;
}

int
descriptor_check_column(const struct delta_column *c, struct error *e)
{
	struct part part = {c->name, &c->type, c->nullable, 1};
	struct buffer scratch = BUFFER_INIT;
	int rc = write_root(&scratch, "T", &part, 1, e);

	buffer_release(&scratch);
	return rc;
}

static char *
root_name(const struct delta_table *t)
{
	struct buffer b = BUFFER_INIT;
	char *both = memory_format("%s_%s", t->schema, t->name), *name;

	write_pascal(&b, both);
	free(both);
	name = buffer_detach(&b);
	if (!isalpha((unsigned char)*name)) {
		char *longer = memory_format("M%s", name);

		free(name);
		name = longer;
	}
	return name;
}

int
descriptor_write(struct buffer *out, const struct delta_table *t, const bool *included,
    const char *root, struct error *e)
{
	struct part *parts = memory_zero(t->column_count + 1, sizeof(*parts));
	char *name = root != NULL ? memory_strdup(root) : root_name(t);
	size_t count = 0;
	int rc;

	for (size_t i = 0; i < t->column_count; i++) {
		const struct delta_column *c = &t->columns[i];

		if (included == NULL || included[i])
			parts[count++] = (struct part){
			    c->name, &c->type, c->nullable, descriptor_number(c->position)};
	}
	rc = write_root(out, name, parts, count, e);
	free(parts);
	free(name);
	return rc;
}

/* Whether the message has that very field and nested_type; its other parts are the same for all tables. */
static bool
has_part(struct text message, const struct wire_field *part)
{
	struct wire_field f;

	while (wire_next(&message, &f) > 0)
		if (f.number == part->number && f.type == WIRE_BYTES && text_equal(f.bytes, part->bytes))
			return true;
	return false;
}

static bool
has_all(struct text message, struct text parts, struct buffer *missing)
{
	struct wire_field f, name;
	bool all = true;

	while (wire_next(&parts, &f) > 0) {
		if ((f.number != MESSAGE_FIELD && f.number != MESSAGE_NESTED) || has_part(message, &f))
			continue;
		all = false;
		while (f.number == MESSAGE_FIELD && missing != NULL && wire_next(&f.bytes, &name) > 0)
			if (name.number == FIELD_NAME)
				buffer_append_format(missing, "%s" TEXT_FORMAT, missing->len > 0 ? ", " : "",
				    TEXT_ARGS(name.bytes));
	}
	return all;
}

bool
descriptor_extends(struct text old, struct text new, struct buffer *added)
{
	if (added != NULL)
		has_all(old, new, added);
	return has_all(new, old, NULL);
}
