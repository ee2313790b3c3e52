/*
 * JSON as a tree for tests: integers by their digits, doubles by their bits, strings by their
 * bytes. Objects compare without order; a number with '.' or an exponent is a double and never
 * equals an integer.
 */
#ifndef TESTS_UNIT_TREE_H
#define TESTS_UNIT_TREE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/memory.h"

struct tree {
	enum json_token kind; /* NULL, TRUE, FALSE, NUMBER, STRING, OBJECT, ARRAY */
	char *key;	      /* of a member */
	size_t key_len;
	char *text; /* of a number or string, NUL behind it */
	size_t len;
	struct tree *items;
	size_t count, capacity;
};

static inline void
tree_release(struct tree *t)
{
	for (size_t i = 0; i < t->count; i++)
		tree_release(&t->items[i]);
	free(t->items);
	free(t->key);
	free(t->text);
	*t = (struct tree){0};
}

static inline int
tree_read(struct json_reader *r, enum json_token token, struct tree *t, struct error *e)
{
	enum json_token end =
	    token == JSON_TOKEN_OBJECT ? JSON_TOKEN_OBJECT_END : JSON_TOKEN_ARRAY_END;

	if (token == JSON_TOKEN_ERROR)
		return -1;
	t->kind = token;
	if (token == JSON_TOKEN_NUMBER || token == JSON_TOKEN_STRING) {
		t->text = text_dup(r->value);
		t->len = r->value.len;
	}
	if (token != JSON_TOKEN_OBJECT && token != JSON_TOKEN_ARRAY)
		return 0;
	while ((token = json_reader_next(r, e)) != end) {
		struct tree *item;

		t->items = memory_reserve(t->items, &t->capacity, t->count + 1, sizeof(*t->items));
		item = &t->items[t->count++];
		*item = (struct tree){0};
		if (token == JSON_TOKEN_KEY) {
			item->key = text_dup(r->value);
			item->key_len = r->value.len;
			token = json_reader_next(r, e);
		}
		if (tree_read(r, token, item, e) != 0)
			return -1;
	}
	return 0;
}

/* -1: not JSON. Release in any case. */
static inline int
tree_parse(struct tree *t, struct text json, struct error *e)
{
	struct json_reader r;
	int rc;

	*t = (struct tree){0};
	json_reader_init(&r, json);
	rc = tree_read(&r, json_reader_next(&r, e), t, e);
	if (rc == 0 && json_reader_next(&r, e) != JSON_TOKEN_END)
		rc = -1;
	json_reader_release(&r);
	return rc;
}

static inline struct tree *
tree_find(const struct tree *t, const char *key)
{
	for (size_t i = 0; t != NULL && i < t->count; i++)
		if (t->items[i].key != NULL && strcmp(t->items[i].key, key) == 0)
			return &t->items[i];
	return NULL;
}

/* "" when there is no such string */
static inline const char *
tree_string(const struct tree *t, const char *key)
{
	const struct tree *f = tree_find(t, key);

	return f != NULL && f->text != NULL ? f->text : "";
}

static inline bool
tree_is_double(const struct tree *t)
{
	return strpbrk(t->text, ".eE") != NULL;
}

static inline bool
tree_scalar_equal(const struct tree *a, const struct tree *b)
{
	double x, y;

	if (a->kind == JSON_TOKEN_NUMBER && tree_is_double(a) && tree_is_double(b)) {
		x = strtod(a->text, NULL);
		y = strtod(b->text, NULL);
		return memcmp(&x, &y, sizeof(x)) == 0;
	}
	return a->len == b->len && (a->len == 0 || memcmp(a->text, b->text, a->len) == 0);
}

/* why: where they differ first, of at least 256 bytes */
static inline bool
tree_equal(const struct tree *a, const struct tree *b, char *why)
{
	if (a->kind != b->kind || a->count != b->count ||
	    (a->count == 0 && !tree_scalar_equal(a, b))) {
		snprintf(why, 256,
		    "%s: kind %d '%.60s' (%zu items) is not kind %d '%.60s' (%zu items)",
		    a->key ? a->key : "value", a->kind, a->text ? a->text : "", a->count, b->kind,
		    b->text ? b->text : "", b->count);
		return false;
	}
	for (size_t i = 0; i < a->count; i++) {
		const struct tree *x = &a->items[i], *y = &b->items[i];

		for (size_t k = 0; a->kind == JSON_TOKEN_OBJECT && k < b->count; k++) {
			y = &b->items[(i + k) % b->count];
			if (x->key_len == y->key_len && memcmp(x->key, y->key, x->key_len) == 0)
				break;
			y = NULL;
		}
		if (y == NULL) {
			snprintf(why, 256, "'%.100s' is missing", x->key);
			return false;
		}
		if (!tree_equal(x, y, why))
			return false;
	}
	return true;
}

static inline bool
tree_text_equal(struct text a, struct text b, char *why)
{
	struct tree x, y;
	struct error e = ERROR_INIT;
	bool equal = false;

	if (tree_parse(&x, a, &e) != 0) {
		snprintf(why, 256, "the first is no JSON: %.200s", e.text);
		y = (struct tree){0};
	} else if (tree_parse(&y, b, &e) != 0) {
		snprintf(why, 256, "the second is no JSON: %.200s", e.text);
	} else {
		equal = tree_equal(&x, &y, why);
	}
	tree_release(&x);
	tree_release(&y);
	return equal;
}

/* The whole file, or the program ends: tests run from the top of the tree. */
static inline struct text
tree_read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct buffer b = BUFFER_INIT;
	char part[65536];
	size_t n;

	if (f == NULL) {
		fprintf(stderr, "cannot open '%s' (run from the top of the tree)\n", path);
		exit(1);
	}
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buffer_append(&b, part, n);
	fclose(f);
	n = b.len;
	return text_span(buffer_detach(&b), n);
}

/* Cuts the next line off *rest; false at the end. */
static inline bool
tree_next_line(struct text *rest, struct text *line)
{
	const char *end;

	if (rest->len == 0)
		return false;
	end = memchr(rest->data, '\n', rest->len);
	*line = text_span(rest->data, end != NULL ? (size_t)(end - rest->data) : rest->len);
	*rest = text_span(rest->data + line->len, rest->len - line->len);
	if (end != NULL) {
		rest->data++;
		rest->len--;
	}
	return true;
}

#endif
