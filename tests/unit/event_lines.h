/*
 * The files of tests/data: their lines, the schemas that these name, and lists and texts compared with what is expected.
 * Behind cmocka.
 */
#ifndef SFZB_TESTS_EVENT_LINES_H
#define SFZB_TESTS_EVENT_LINES_H

#include "avro/schema.h"
#include "tree.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct {
	char name[64];
	struct avro_schema *schema;
} schemas[16];

static inline struct avro_schema *
load_schema(const char *name)
{
	char path[128];
	struct text json;
	struct error e = ERROR_INIT;
	size_t i = 0;

	while (schemas[i].schema != NULL) {
		if (strcmp(schemas[i].name, name) == 0)
			return schemas[i].schema;
		i++;
	}
	snprintf(path, sizeof(path), "tests/data/schemas/%s.avsc", name);
	json = tree_read_file(path);
	schemas[i].schema = avro_schema_parse(json, &e);
	if (schemas[i].schema == NULL)
		fail_msg("%s: %s", name, e.text);
	assert_int_equal(avro_schema_json(schemas[i].schema).len, json.len);
	assert_memory_equal(avro_schema_json(schemas[i].schema).data, json.data, json.len);
	free((char *)(uintptr_t)json.data);
	snprintf(schemas[i].name, sizeof(schemas[i].name), "%s", name);
	return schemas[i].schema;
}

static inline int
drop_schemas(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(schemas); i++)
		avro_schema_unref(schemas[i].schema);
	memset(schemas, 0, sizeof(schemas));
	return 0;
}

static inline void
list_json(struct buffer *out, struct text_list list)
{
	buffer_append_byte(out, '[');
	for (size_t i = 0; i < list.count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		json_text_string(out, list.items[i]);
	}
	buffer_append_byte(out, ']');
}

static inline void
expect_list(const char *name, struct text_list list, const struct tree *expected)
{
	struct buffer b = BUFFER_INIT;
	struct tree t;
	struct error e = ERROR_INIT;
	char why[256];

	list_json(&b, list);
	assert_int_equal(tree_parse(&t, buffer_span(&b), &e), 0);
	if (expected == NULL || !tree_equal(&t, expected, why))
		fail_msg(
		    "%s: list %s: %s", name, buffer_text(&b), expected ? why : "nothing expected");
	tree_release(&t);
	buffer_release(&b);
}

static inline void
expect_text(const char *name, struct text got, const char *expected)
{
	if (!text_is(got, expected))
		fail_msg("%s: '%.*s' is not '%s'", name, (int)got.len, got.data, expected);
}

/* Calls back for each line of a file of tests/data. */
static inline size_t
each_line(const char *path, void (*call)(const struct tree *line, void *context), void *context)
{
	struct text file = tree_read_file(path), rest = file, line;
	struct error e = ERROR_INIT;
	size_t n = 0;

	while (tree_next_line(&rest, &line)) {
		struct tree t;

		if (tree_parse(&t, line, &e) != 0)
			fail_msg("%s:%zu: %s", path, n + 1, e.text);
		call(&t, context);
		tree_release(&t);
		n++;
	}
	free((char *)(uintptr_t)file.data);
	return n;
}

#endif
