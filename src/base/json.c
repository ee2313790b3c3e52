#include "base/json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/memory.h"

/* struct json is never defined: a node is a cJSON under another name, so that no caller sees it. */
static cJSON *
node(const struct json *j)
{
	return (cJSON *)(uintptr_t)j;
}

static struct json *
wrap(const cJSON *c)
{
	return (struct json *)(uintptr_t)c;
}

static cJSON *
must(cJSON *c)
{
	if (c == NULL)
		memory_give_up("out of memory");
	return c;
}

struct json *
json_parse(struct text s, struct error *e)
{
	struct json_reader reader;
	enum json_token token;
	cJSON *root = NULL;

	/* cJSON is lax (control characters, numbers, depth 1000); our reader decides what JSON is. */
	json_reader_init(&reader, s);
	do
		token = json_reader_next(&reader, e);
	while (token != JSON_TOKEN_END && token != JSON_TOKEN_ERROR);
	json_reader_release(&reader);
	if (token == JSON_TOKEN_ERROR)
		return NULL;
	root = cJSON_ParseWithLength(s.data, s.len);
	/* it does not say which, and has given all back: sound text must not be taken for a bad answer */
	if (root == NULL && memory_is_out(MEMORY_OF_CONNECTION))
		memory_give_up("out of memory");
	if (root == NULL)
		error_set(e, ERR_REFUSED, "not valid JSON");
	return wrap(root);
}

struct json *
json_object(void)
{
	return wrap(must(cJSON_CreateObject()));
}

struct json *
json_array(void)
{
	return wrap(must(cJSON_CreateArray()));
}

struct json *
json_clone(const struct json *j)
{
	return j == NULL ? NULL : wrap(must(cJSON_Duplicate(node(j), 1)));
}

void
json_free(struct json *root)
{
	cJSON_Delete(node(root));
}

bool
json_is_object(const struct json *j)
{
	return cJSON_IsObject(node(j));
}

bool
json_is_array(const struct json *j)
{
	return cJSON_IsArray(node(j));
}

bool
json_is_string(const struct json *j)
{
	return cJSON_IsString(node(j));
}

bool
json_is_number(const struct json *j)
{
	return cJSON_IsNumber(node(j));
}

bool
json_is_true(const struct json *j)
{
	return cJSON_IsTrue(node(j));
}

bool
json_is_bool(const struct json *j)
{
	return cJSON_IsBool(node(j));
}

bool
json_is_null(const struct json *j)
{
	return j == NULL || cJSON_IsNull(node(j));
}

struct json *
json_find(const struct json *object, const char *key)
{
	return wrap(cJSON_GetObjectItemCaseSensitive(node(object), key));
}

struct json *
json_first(const struct json *container)
{
	return container == NULL ? NULL : wrap(node(container)->child);
}

struct json *
json_next(const struct json *item)
{
	return wrap(node(item)->next);
}

size_t
json_count(const struct json *container)
{
	return container == NULL ? 0 : (size_t)cJSON_GetArraySize(node(container));
}

const char *
json_key(const struct json *member)
{
	return member != NULL && node(member)->string != NULL ? node(member)->string : "";
}

const char *
json_string(const struct json *j)
{
	return cJSON_GetStringValue(node(j));
}

const char *
json_find_string(const struct json *object, const char *key)
{
	return json_string(json_find(object, key));
}

double
json_number(const struct json *j, double otherwise)
{
	return cJSON_IsNumber(node(j)) ? node(j)->valuedouble : otherwise;
}

int64_t
json_int64(const struct json *j, int64_t otherwise)
{
	/* what json_set_int64 made is held as text */
	const char *s = cJSON_IsRaw(node(j)) ? node(j)->valuestring : json_string(j);

	if (cJSON_IsNumber(node(j))) {
		double d = node(j)->valuedouble;

		return d > -9.2e18 && d < 9.2e18 ? (int64_t)d : otherwise;
	}
	if (s != NULL && *s != '\0') {
		char *end;
		long long v = strtoll(s, &end, 10);

		if (*end == '\0')
			return v;
	}
	return otherwise;
}

int64_t
json_find_int64(const struct json *object, const char *key, int64_t otherwise)
{
	return json_int64(json_find(object, key), otherwise);
}

bool
json_find_bool(const struct json *object, const char *key, bool otherwise)
{
	const struct json *j = json_find(object, key);

	return json_is_bool(j) ? json_is_true(j) : otherwise;
}

void
json_set(struct json *object, const char *key, struct json *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(node(object), key);
	if (!cJSON_AddItemToObject(node(object), key, node(value)))
		memory_give_up("out of memory");
}

void
json_set_string(struct json *object, const char *key, const char *value)
{
	json_set(object, key, wrap(must(value ? cJSON_CreateString(value) : cJSON_CreateNull())));
}

void
json_set_text(struct json *object, const char *key, struct text value)
{
	char *copy = text_dup(value);

	json_set_string(object, key, copy);
	free(copy);
}

void
json_set_int64(struct json *object, const char *key, int64_t value)
{
	struct buffer digits = BUFFER_INIT;

	/* as raw digits: a double would lose the low bits */
	json_text_int64(&digits, value);
	json_set(object, key, wrap(must(cJSON_CreateRaw(buffer_text(&digits)))));
	buffer_release(&digits);
}

void
json_set_bool(struct json *object, const char *key, bool value)
{
	json_set(object, key, wrap(must(cJSON_CreateBool(value))));
}

void
json_add(struct json *array, struct json *value)
{
	if (!cJSON_AddItemToArray(node(array), node(value)))
		memory_give_up("out of memory");
}

void
json_add_string(struct json *array, const char *value)
{
	json_add(array, wrap(must(cJSON_CreateString(value))));
}

void
json_remove(struct json *object, const char *key)
{
	cJSON_DeleteItemFromObjectCaseSensitive(node(object), key);
}

void
json_write(struct buffer *out, const struct json *j, bool indent)
{
	char *s = indent ? cJSON_Print(node(j)) : cJSON_PrintUnformatted(node(j));

	if (s == NULL)
		memory_give_up("out of memory");
	buffer_append_text(out, s);
	cJSON_free(s);
}
