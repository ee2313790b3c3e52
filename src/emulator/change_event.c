#include <openssl/evp.h>
#include <string.h>

#include "emulator/avro_write.h"
#include "emulator/change_event.h"
#include "emulator/values.h"

#define CHILDREN_MAX 16
#define LISTS_MAX 32

/* What an update does to each field; one byte a field. */
struct plan {
	bool all;    /* every field has a value */
	bool person; /* Account.Name as a record */
	uint8_t changed[CHANGE_FIELDS_MAX], nulled[CHANGE_FIELDS_MAX], diffed[CHANGE_FIELDS_MAX];
	uint8_t child_changed[CHANGE_FIELDS_MAX][CHILDREN_MAX], child_nulled[CHANGE_FIELDS_MAX][CHILDREN_MAX];
	bool partly[CHANGE_FIELDS_MAX]; /* the children say it, not the field's own bit */
};

int
change_type_find(const char *name)
{
	static const char *const names[] = { "CREATE", "UPDATE", "DELETE", "UNDELETE", "GAP_CREATE", "GAP_UPDATE",
		"GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW" };

	for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

/* "0x800080" of a set of bits; prefix_at < 0: top level, else "<prefix_at>-0x…". */
static void
change_bitmap(struct buffer *out, int prefix_at, const uint8_t *bits, size_t count)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		if (bits[i])
			bytes = i / 8 + 1;
	if (prefix_at >= 0)
		buffer_append_format(out, "%d-", prefix_at);
	buffer_append_text(out, "0x");
	for (size_t byte = bytes; byte > 0; byte--) {
		unsigned value = 0;

		for (size_t bit = 0; bit < 8; bit++)
			if ((byte - 1) * 8 + bit < count && bits[(byte - 1) * 8 + bit])
				value |= 1u << bit;
		buffer_append_format(out, "%02X", value);
	}
}

static bool
any(const uint8_t *bits, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bits[i])
			return true;
	return false;
}

static const struct record_type *
compound(const struct event_field *f, const struct plan *p)
{
	if (f->person && p->person)
		return f->person;
	return f->record;
}

/* --- what an update changes ----------------------------------------------------------------------- */

/* What the system sets by itself is not for users to change. */
static bool
is_audit(const char *name)
{
	return strcmp(name, "CreatedDate") == 0 || strcmp(name, "CreatedById") == 0 ||
	    strcmp(name, "LastModifiedDate") == 0 || strcmp(name, "LastModifiedById") == 0 ||
	    strcmp(name, "ChangeEventHeader") == 0;
}

static void
plan_compound(struct plan *p, size_t i, const struct record_type *parts, struct random *r)
{
	p->partly[i] = true;
	for (size_t k = 0; k < parts->count && k < CHILDREN_MAX; k++) {
		if (random_below(r, 3) == 0)
			continue;
		p->child_changed[i][k] = 1;
		p->child_nulled[i][k] = random_below(r, 6) == 0;
	}
	if (!any(p->child_changed[i], CHILDREN_MAX))
		p->child_changed[i][0] = 1;
	p->changed[i] = 0;
}

static void
plan_update(struct plan *p, const struct record_type *t, struct random *r)
{
	uint64_t wanted = 1 + random_below(r, 9);

	for (uint64_t n = 0; n < wanted; n++) {
		size_t i = random_below(r, t->count);
		const struct event_field *f = &t->fields[i];

		if (is_audit(f->name))
			continue;
		p->changed[i] = 1;
		if (compound(f, p)) {
			plan_compound(p, i, compound(f, p), r);
			continue;
		}
		if (f->is_nullable && random_below(r, 8) == 0)
			p->nulled[i] = 1;
		else if (strcmp(f->word, "StringPlusClob") == 0 && random_below(r, 12) == 0)
			p->diffed[i] = 1;
	}
	for (size_t i = 0; i < t->count; i++) {
		const struct event_field *f = &t->fields[i];

		if (strcmp(f->name, "LastModifiedDate") == 0 ||
		    (strcmp(f->name, "LastModifiedById") == 0 && random_below(r, 4) == 0) ||
		    (strcmp(f->word, "StringPlusClob") == 0 && random_below(r, 2) == 0))
			p->changed[i] = 1;
	}
}

/* One of the header's three lists. */
static void
write_list(struct buffer *out, const struct record_type *t, const struct plan *p, const uint8_t *top,
    const uint8_t (*children)[CHILDREN_MAX])
{
	struct buffer texts[LISTS_MAX];
	const char *items[LISTS_MAX];
	size_t n = 0;

	if (any(top, t->count)) {
		buffer_init(&texts[n]);
		change_bitmap(&texts[n++], -1, top, t->count);
	}
	for (size_t i = 0; children && i < t->count && n < LISTS_MAX; i++) {
		if (!p->partly[i] || !any(children[i], CHILDREN_MAX))
			continue;
		buffer_init(&texts[n]);
		change_bitmap(&texts[n++], (int)i, children[i], CHILDREN_MAX);
	}
	for (size_t i = 0; i < n; i++)
		items[i] = buffer_text(&texts[i]);
	avro_strings(out, items, n);
	for (size_t i = 0; i < n; i++)
		buffer_release(&texts[i]);
}

static void
write_header(struct buffer *out, const struct record_type *t, const struct change *c, const struct plan *p)
{
	avro_string(out, c->entity_name);
	avro_strings(out, c->record_ids, c->record_count);
	avro_long(out, c->type);
	avro_string(out, c->origin);
	avro_string(out, c->transaction_key);
	avro_long(out, c->sequence_number);
	avro_long(out, c->commit_timestamp_ms);
	avro_long(out, c->commit_number);
	avro_string(out, c->user_id);
	write_list(out, t, p, p->nulled, p->child_nulled);
	write_list(out, t, p, p->diffed, NULL);
	write_list(out, t, p, p->changed, p->child_changed);
}

/* --- values --------------------------------------------------------------------------------------- */

static void
write_diff(struct buffer *out, struct random *r)
{
	struct buffer text = BUFFER_INIT, old = BUFFER_INIT, fresh = BUFFER_INIT;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	value_text(r, &old, "Subject", "Text");
	value_text(r, &fresh, "Subject", "Text");
	EVP_Digest(fresh.data, fresh.len, digest, &len, EVP_sha256(), NULL);
	buffer_append_text(&text, "--- \n+++ ");
	buffer_append_hex(&text, digest, len);
	buffer_append_format(&text, "\n@@ -%d,1 +%d,1 @@\n", 2, 2);
	buffer_append_format(&text, "-" TEXT_FORMAT "\n+" TEXT_FORMAT, TEXT_ARGS(buffer_span(&old)),
	    TEXT_ARGS(buffer_span(&fresh)));
	avro_bytes(out, buffer_span(&text));
	buffer_release(&text);
	buffer_release(&old);
	buffer_release(&fresh);
}

static void
write_scalar(struct buffer *out, const struct event_field *f, const char *word, struct random *r,
    int64_t now_ms)
{
	struct buffer text = BUFFER_INIT;

	switch (f->kind) {
	case VALUE_STRING:
		value_text(r, &text, f->name, word);
		avro_bytes(out, buffer_span(&text));
		buffer_release(&text);
		break;
	case VALUE_DOUBLE:
		avro_double(out, value_double(r, f->name, word));
		break;
	case VALUE_INT:
		avro_long(out, (int64_t)random_below(r, 50000));
		break;
	case VALUE_LONG:
		avro_long(out, strstr(f->name, "Date") == f->name + strlen(f->name) - 4 &&
				strcmp(word, "DateTime") == 0 && is_audit(f->name)
			? now_ms / 1000 * 1000
			: value_time(r, word, now_ms));
		break;
	case VALUE_BOOLEAN:
		avro_boolean(out, random_below(r, 2) == 0);
		break;
	case VALUE_RECORD:
		break;
	}
}

/* The children of a compound: all of them, or those that an update names. */
static void
write_compound(struct buffer *out, const struct record_type *t, const uint8_t *changed,
    const uint8_t *nulled, struct random *r, int64_t now_ms)
{
	for (size_t k = 0; k < t->count; k++) {
		const struct event_field *f = &t->fields[k];
		bool present = !changed || (k < CHILDREN_MAX && changed[k] && !nulled[k]);

		if (f->is_nullable)
			avro_long(out, present ? f->branch : f->null_branch);
		if (present || !f->is_nullable)
			write_scalar(out, f, t->name, r, now_ms);
	}
}

static void
write_field(struct buffer *out, const struct event_field *f, size_t i, const struct plan *p,
    struct random *r, int64_t now_ms)
{
	const struct record_type *parts = compound(f, p);
	bool present = p->all || p->partly[i] || (p->changed[i] && !p->nulled[i]);

	/* even a complete record has empty fields */
	if (p->all && f->is_nullable && !is_audit(f->name) && strcmp(f->name, "Name") != 0)
		present = random_below(r, 3) != 0;
	if (f->is_nullable)
		avro_long(out, !present		      ? f->null_branch
			: parts && parts == f->person ? f->person_branch
						      : f->branch);
	if (!present)
		return;
	if (parts)
		write_compound(out, parts, p->all ? NULL : p->child_changed[i],
		    p->all ? NULL : p->child_nulled[i], r, now_ms);
	else if (p->diffed[i])
		write_diff(out, r);
	else
		write_scalar(out, f, f->word, r, now_ms);
}

void
change_event_write(struct buffer *out, const struct event_type *t, const struct change *c,
    struct random *r)
{
	const struct record_type *root = &t->types[0];
	struct plan p = { 0 };

	p.all = c->type == CHANGE_CREATE || c->type == CHANGE_UNDELETE;
	p.person = random_below(r, 6) == 0;
	if (c->type == CHANGE_UPDATE)
		plan_update(&p, root, r);
	for (size_t i = 0; c->nulled && i < CHANGE_FIELDS_MAX; i++)
		c->nulled[i] = p.nulled[i] != 0;
	write_header(out, root, c, &p);
	for (size_t i = 1; i < root->count; i++)
		write_field(out, &root->fields[i], i, &p, r, c->commit_timestamp_ms);
}

void
platform_event_write(struct buffer *out, const struct event_type *t, int64_t now_ms, const char *user_id,
    struct random *r)
{
	const struct record_type *root = &t->types[0];
	struct plan p = { .all = true };

	for (size_t i = 0; i < root->count; i++) {
		const struct event_field *f = &root->fields[i];

		if (strcmp(f->name, "CreatedDate") == 0)
			avro_long(out, now_ms);
		else if (strcmp(f->name, "CreatedById") == 0)
			avro_string(out, user_id);
		else
			write_field(out, f, i, &p, r, now_ms);
	}
}
