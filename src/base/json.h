/*
 * The door to cJSON: trees of small JSON (answers of HTTP services, settings, schemas). Numbers are
 * doubles here; where 64-bit integers matter use base/json_text.h.
 */
#ifndef SFZB_BASE_JSON_H
#define SFZB_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

struct json; /* a node; children are borrowed from their root */

/* The whole text must be one value (spaces around it allowed). ERR_REFUSED with the byte where it is not. */
struct json *json_parse(struct text s, struct error *e);
struct json *json_object(void);
struct json *json_array(void);
struct json *json_clone(const struct json *j);
void json_free(struct json *root);

bool json_is_object(const struct json *j);
bool json_is_array(const struct json *j);
bool json_is_string(const struct json *j);
bool json_is_number(const struct json *j);
bool json_is_true(const struct json *j);
bool json_is_bool(const struct json *j);
bool json_is_null(const struct json *j); /* also for j == NULL */

/* All take NULL and the wrong kind and then find nothing. Keys are case-sensitive. */
struct json *json_find(const struct json *object, const char *key);
struct json *json_first(const struct json *container);
struct json *json_next(const struct json *item);
size_t json_count(const struct json *container);
const char *json_key(const struct json *member); /* of an object's member; "" for others */
/* C string of a string node, NULL for others. */
const char *json_string(const struct json *j);
const char *json_find_string(const struct json *object, const char *key); /* or NULL */
double json_number(const struct json *j, double otherwise);
/* Integer of a number or of a string of digits (vendors write both); otherwise when there is none. */
int64_t json_int64(const struct json *j, int64_t otherwise);
int64_t json_find_int64(const struct json *object, const char *key, int64_t otherwise);
bool json_find_bool(const struct json *object, const char *key, bool otherwise);

/* Setters take ownership of value and replace an earlier member. */
void json_set(struct json *object, const char *key, struct json *value);
void json_set_string(struct json *object, const char *key, const char *value); /* NULL: null */
void json_set_text(struct json *object, const char *key, struct text value); /* cut at a NUL */
void json_set_int64(struct json *object, const char *key, int64_t value);
void json_set_bool(struct json *object, const char *key, bool value);
void json_add(struct json *array, struct json *value);
void json_add_string(struct json *array, const char *value);
void json_remove(struct json *object, const char *key);

/* Appends the text; indent: for people, by tabs. */
void json_write(struct buffer *out, const struct json *j, bool indent);

#endif
