/*
 * Random schemas and random data, written by avro-c, read by us and by avro-c: the JSON must be the
 * same text. Then one byte of the datum is changed: what we still take, avro-c must read as the
 * same. AVRO_RANDOM_EVENTS sets how many events (default 20000), AVRO_RANDOM_SEED where the
 * sequence begins; AVRO_RANDOM_WRITE names a file to which they go as lines for AVRO_PEER_FILE of
 * test_avro_peer. Also doubles against the slow way of writing them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <avro.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avro/decode.h"
#include "avro/encode.h"
#include "base/json_text.h"
#include "base/random.h"

#define EVENTS_PER_SCHEMA 40

static struct random rnd;
static long events_done, changed_taken;
static FILE *events_file;

static unsigned
below(unsigned n)
{
	return (unsigned)random_below(&rnd, n);
}

/* A schema while it is written: names given so far and whether they are complete. */
struct writer {
	struct buffer out;
	int names;
	enum { RECORD_OPEN, RECORD_DONE, ENUM_DONE, FIXED_DONE } kinds[256];
};

static void write_type(struct writer *w, int depth);

static void
write_fields(struct writer *w, int depth, int most)
{
	int n = 1 + (int)below((unsigned)most);

	for (int i = 0; i < n; i++) {
		buffer_append_format(&w->out, "%s{\"name\":\"f%d\",\"type\":", i ? "," : "", i);
		if (below(3) == 0) {
			write_type(w, depth);
		} else {
			/* mostly what Salesforce sends */
			static const char *const words[] = {
			    "string", "string", "string", "double", "boolean", "long", "int"};

			buffer_append_format(&w->out, "[\"null\",\"%s\"]", words[below(7)]);
		}
		buffer_append_text(&w->out, "}");
	}
}

static void
write_named(struct writer *w, int depth)
{
	int name = w->names++;
	unsigned kind = depth > 3 || name > 200 ? 1 + below(2) : below(3);

	if (kind == 0) {
		w->kinds[name] = RECORD_OPEN;
		buffer_append_format(&w->out,
		    "{\"type\":\"record\",\"name\":\"N%d\",\"doc\":\"x\",\"fields\":[", name);
		write_fields(w, depth + 1, 6);
		buffer_append_text(&w->out, "]}");
		w->kinds[name] = RECORD_DONE;
	} else if (kind == 1) {
		int n = 1 + (int)below(70);

		w->kinds[name] = ENUM_DONE;
		buffer_append_format(
		    &w->out, "{\"type\":\"enum\",\"name\":\"N%d\",\"symbols\":[", name);
		for (int i = 0; i < n; i++)
			buffer_append_format(&w->out, "%s\"S%d\"", i ? "," : "", i);
		buffer_append_text(&w->out, "]}");
	} else {
		w->kinds[name] = FIXED_DONE;
		buffer_append_format(&w->out, "{\"type\":\"fixed\",\"name\":\"N%d\",\"size\":%u}",
		    name, 1 + below(20));
	}
}

static void
write_union(struct writer *w, int depth)
{
	static const char *const words[] = {
	    "null", "boolean", "int", "long", "float", "double", "bytes", "string"};
	unsigned start = below(8), n = 1 + below(4);
	int open = -1;

	for (int i = 0; i < w->names; i++)
		if (w->kinds[i] == RECORD_OPEN && below(2))
			open = i;
	buffer_append_text(&w->out, "[");
	if (open >= 0 && below(2)) {
		buffer_append_format(
		    &w->out, "\"null\",\"N%d\"]", open); /* a record inside itself */
		return;
	}
	for (unsigned i = 0; i < n; i++)
		buffer_append_format(&w->out, "%s\"%s\"", i ? "," : "", words[(start + i * 3) % 8]);
	if (below(2)) {
		buffer_append_text(&w->out, ",");
		write_named(w, depth + 1);
	} else if (below(3) == 0) {
		buffer_append_text(&w->out, ",{\"type\":\"array\",\"items\":");
		write_type(w, depth + 1);
		buffer_append_text(&w->out, "}");
	}
	buffer_append_text(&w->out, "]");
}

static void
write_type(struct writer *w, int depth)
{
	static const char *const words[] = {
	    "null", "boolean", "int", "long", "float", "double", "bytes", "string"};
	unsigned kind = below(depth > 4 ? 8 : 14);

	if (kind < 8) {
		buffer_append_format(&w->out, "\"%s\"", words[kind]);
	} else if (kind < 10) {
		buffer_append_format(&w->out,
		    "{\"type\":\"%s\",\"%s\":", kind == 8 ? "array" : "map",
		    kind == 8 ? "items" : "values");
		write_type(w, depth + 1);
		buffer_append_text(&w->out, "}");
	} else if (kind < 12) {
		write_union(w, depth + 1);
	} else if (kind == 12 || w->names == 0) {
		write_named(w, depth + 1);
	} else {
		int name = (int)below((unsigned)w->names);

		if (w->kinds[name] == RECORD_OPEN)
			buffer_append_text(&w->out, "\"string\"");
		else
			buffer_append_format(&w->out, "\"N%d\"", name);
	}
}

/* Any number of bits, so that short and long varints are as likely. */
static int64_t
any_integer(void)
{
	uint64_t v = random_next(&rnd) >> below(64);

	return (int64_t)(below(2) ? v : 0 - v);
}

static double
any_double(void)
{
	uint64_t bits = random_next(&rnd);
	double v;

	switch (below(4)) {
	case 0:
		return (double)any_integer() / pow(10, below(12));
	case 1:
		return (double)below(1000000) / 100;
	case 2:
		return below(2) ? -0.0 : (double)any_integer();
	default:
		memcpy(&v, &bits, sizeof(v));
		return v;
	}
}

static size_t
any_text(char *out, size_t most, bool with_nul)
{
	static const char *const pieces[] = {"a", "Berlin", "\"", "\\", "\n", "\x01", "é", "€", "😀",
	    "\x7f", " ", "\xEF\xBB\xBF", "\xE2\x80\xA8"};
	size_t len = 0, n = below(8) == 0 ? below(60) : below(5);

	for (size_t i = 0; i < n; i++) {
		const char *piece = pieces[below(sizeof(pieces) / sizeof(pieces[0]))];

		if (len + strlen(piece) + 2 > most)
			break;
		memcpy(out + len, piece, strlen(piece));
		len += strlen(piece);
		if (with_nul && below(20) == 0)
			out[len++] = '\0';
	}
	out[len] = '\0';
	return len;
}

static void
fill(avro_value_t *v, int depth)
{
	char text[512];
	avro_value_t child;
	size_t n = 0, len;

	switch (avro_value_get_type(v)) {
	case AVRO_NULL:
		avro_value_set_null(v);
		break;
	case AVRO_BOOLEAN:
		avro_value_set_boolean(v, (int)below(2));
		break;
	case AVRO_INT32:
		avro_value_set_int(v, (int32_t)any_integer());
		break;
	case AVRO_INT64:
		avro_value_set_long(v, any_integer());
		break;
	case AVRO_FLOAT:
		avro_value_set_float(v, (float)any_double());
		break;
	case AVRO_DOUBLE:
		avro_value_set_double(v, any_double());
		break;
	case AVRO_STRING:
		len = any_text(text, sizeof(text), true);
		avro_value_set_string_len(v, text, len + 1);
		break;
	case AVRO_BYTES:
		len = any_text(text, sizeof(text), true);
		avro_value_set_bytes(v, text, len);
		break;
	case AVRO_FIXED:
		len = (size_t)avro_schema_fixed_size(avro_value_get_schema(v));
		for (size_t i = 0; i < len; i++)
			text[i] = (char)below(256);
		avro_value_set_fixed(v, text, len);
		break;
	case AVRO_ENUM:
		avro_value_set_enum(v, (int)below((unsigned)avro_schema_enum_number_of_symbols(
					   avro_value_get_schema(v))));
		break;
	case AVRO_ARRAY:
		n = depth > 8 ? 0 : below(4);
		for (size_t i = 0; i < n; i++) {
			avro_value_append(v, &child, NULL);
			fill(&child, depth + 1);
		}
		break;
	case AVRO_MAP:
		n = depth > 8 ? 0 : below(4);
		for (size_t i = 0; i < n; i++) {
			any_text(text, sizeof(text), false);
			avro_value_add(v, text, &child, NULL, NULL);
			fill(&child, depth + 1);
		}
		break;
	case AVRO_UNION:
		n = avro_schema_union_size(avro_value_get_schema(v));
		/* the first branch of a recursive one is its null */
		avro_value_set_branch(
		    v, depth > 8 || below(3) == 0 ? 0 : (int)below((unsigned)n), &child);
		fill(&child, depth + 1);
		break;
	case AVRO_RECORD:
		avro_value_get_size(v, &n);
		for (size_t i = 0; i < n; i++) {
			avro_value_get_by_index(v, i, &child, NULL);
			fill(&child, depth + 1);
		}
		break;
	default:
		fail_msg("a type that is none");
		break;
	}
}

static void
quote_base64(struct buffer *out, const void *bytes, size_t n)
{
	buffer_append_byte(out, '"');
	buffer_append_base64(out, bytes, n);
	buffer_append_byte(out, '"');
}

/* The JSON of what avro-c has read. */
static void
print(struct buffer *out, avro_value_t *v)
{
	avro_value_t child;
	const char *s = NULL;
	const void *bytes = NULL;
	size_t n = 0;
	int64_t l = 0;
	int32_t i32 = 0;
	int i = 0;
	float f = 0;
	double d = 0;

	switch (avro_value_get_type(v)) {
	case AVRO_NULL:
		buffer_append_text(out, "null");
		break;
	case AVRO_BOOLEAN:
		avro_value_get_boolean(v, &i);
		buffer_append_text(out, i ? "true" : "false");
		break;
	case AVRO_INT32:
		avro_value_get_int(v, &i32);
		json_text_int64(out, i32);
		break;
	case AVRO_INT64:
		avro_value_get_long(v, &l);
		json_text_int64(out, l);
		break;
	case AVRO_FLOAT:
		avro_value_get_float(v, &f);
		json_text_double(out, (double)f);
		break;
	case AVRO_DOUBLE:
		avro_value_get_double(v, &d);
		json_text_double(out, d);
		break;
	case AVRO_STRING:
		avro_value_get_string(v, &s, &n);
		json_text_string(out, text_span(s, n - 1));
		break;
	case AVRO_BYTES:
		avro_value_get_bytes(v, &bytes, &n);
		quote_base64(out, bytes, n);
		break;
	case AVRO_FIXED:
		avro_value_get_fixed(v, &bytes, &n);
		quote_base64(out, bytes, n);
		break;
	case AVRO_ENUM:
		avro_value_get_enum(v, &i);
		json_text_string(out, text_of(avro_schema_enum_get(avro_value_get_schema(v), i)));
		break;
	case AVRO_UNION:
		avro_value_get_current_branch(v, &child);
		print(out, &child);
		break;
	default:
		avro_value_get_size(v, &n);
		buffer_append_byte(out, avro_value_get_type(v) == AVRO_ARRAY ? '[' : '{');
		for (size_t k = 0; k < n; k++) {
			avro_value_get_by_index(v, k, &child, &s);
			if (k > 0)
				buffer_append_byte(out, ',');
			if (avro_value_get_type(v) != AVRO_ARRAY) {
				json_text_string(out, text_of(s));
				buffer_append_byte(out, ':');
			}
			print(out, &child);
		}
		buffer_append_byte(out, avro_value_get_type(v) == AVRO_ARRAY ? ']' : '}');
		break;
	}
}

/* What one schema needs on both sides. */
struct pair {
	const char *json;
	avro_schema_t theirs;
	avro_value_iface_t *iface;
	struct avro_schema *ours;
	struct avro_decoder *decoder;
};

static void
expect_same(const struct pair *p, const char *datum, size_t len, const struct buffer *got)
{
	avro_reader_t reader = avro_reader_memory(datum, (int64_t)len);
	avro_value_t v;
	struct buffer want = BUFFER_INIT;

	avro_generic_value_new(p->iface, &v);
	if (avro_value_read(reader, &v) != 0)
		fail_msg(
		    "avro-c does not read what we read: %s: schema %s", avro_strerror(), p->json);
	print(&want, &v);
	if (!text_equal(buffer_span(&want), buffer_span(got)))
		fail_msg("schema %s\navro-c: %.*s\n   sfzb: %.*s", p->json, (int)want.len,
		    want.data, (int)got->len, got->data);
	avro_value_decref(&v);
	avro_reader_free(reader);
	buffer_release(&want);
}

static void
expect_round_trip(const struct pair *p, struct text datum, const struct buffer *want)
{
	struct buffer got = BUFFER_INIT;
	struct error e = ERROR_INIT;

	if (avro_decode_json(p->decoder, datum, &got, &e) != 0)
		fail_msg("back: %s: schema %s", e.text, p->json);
	if (!text_equal(buffer_span(&got), buffer_span(want)))
		fail_msg("back: schema %s\n%.*s\n%.*s", p->json, (int)want->len, want->data,
		    (int)got.len, got.data);
	buffer_release(&got);
}

/* A map with a key twice reads as one entry there and as two here: both say what is in the datum.
 */
static bool
has_map(const struct pair *p)
{
	return strstr(p->json, "\"map\"") != NULL;
}

static void
write_event(const struct pair *p, const char *datum, size_t len)
{
	struct buffer b = BUFFER_INIT;

	if (events_file == NULL)
		return;
	buffer_append_text(&b, "{\"schema_json\":");
	json_text_string(&b, text_of(p->json));
	buffer_append_text(&b, ",\"payload_b64\":");
	quote_base64(&b, datum, len);
	buffer_append_text(&b, "}\n");
	assert_int_equal(fwrite(b.data, 1, b.len, events_file), b.len);
	buffer_release(&b);
}

static void
check_event(const struct pair *p, char *bytes, size_t size, struct buffer *json)
{
	avro_writer_t writer = avro_writer_memory(bytes, (int64_t)size);
	struct error e = ERROR_INIT;
	struct buffer back = BUFFER_INIT;
	avro_value_t v;
	size_t len;

	avro_generic_value_new(p->iface, &v);
	fill(&v, 0);
	if (avro_value_write(writer, &v) != 0)
		goto out; /* larger than the room: another one will do */
	len = (size_t)avro_writer_tell(writer);
	buffer_clear(json);
	if (avro_decode_json(p->decoder, text_span(bytes, len), json, &e) != 0)
		fail_msg("%s: schema %s", e.text, p->json);
	expect_same(p, bytes, len, json);
	write_event(p, bytes, len);
	if (avro_encode(p->ours, buffer_span(json), NULL, 0, &back, &e) != 0)
		fail_msg("back: %s: schema %s json %s", e.text, p->json, buffer_text(json));
	expect_round_trip(p, buffer_span(&back), json);
	events_done++;
	for (int i = 0; i < 2 && len > 0; i++) {
		bytes[below((unsigned)len)] ^= (char)(1 << below(8));
		buffer_clear(json);
		if (avro_decode_json(p->decoder, text_span(bytes, len), json, &e) == 0 &&
		    !has_map(p)) {
			expect_same(p, bytes, len, json);
			changed_taken++;
		}
	}
out:
	buffer_release(&back);
	avro_value_decref(&v);
	avro_writer_free(writer);
}

static long
setting(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value != NULL ? atol(value) : otherwise;
}

static void
check_schema(int events)
{
	struct writer w = {.names = 1};
	struct error e = ERROR_INIT;
	struct pair p = {0};
	struct buffer json = BUFFER_INIT;
	static char bytes[65536];

	w.kinds[0] = RECORD_OPEN;
	buffer_append_text(&w.out, "{\"type\":\"record\",\"name\":\"N0\",\"fields\":[");
	write_fields(&w, 1, 30);
	buffer_append_text(&w.out, "]}");
	p.json = buffer_text(&w.out);
	if (avro_schema_from_json_length(p.json, w.out.len, &p.theirs) != 0)
		fail_msg("avro-c: %s: %s", avro_strerror(), p.json);
	p.ours = avro_schema_parse(buffer_span(&w.out), &e);
	if (p.ours == NULL)
		fail_msg("%s: %s", e.text, p.json);
	p.decoder = avro_decoder_new(p.ours);
	p.iface = avro_generic_class_from_schema(p.theirs);
	for (int i = 0; i < events; i++)
		check_event(&p, bytes, sizeof(bytes), &json);
	avro_value_iface_decref(p.iface);
	avro_schema_decref(p.theirs);
	avro_decoder_free(p.decoder);
	avro_schema_unref(p.ours);
	buffer_release(&w.out);
	buffer_release(&json);
}

static void
test_random(void **state)
{
	long events = setting("AVRO_RANDOM_EVENTS", 20000);

	(void)state;
	random_seed(&rnd, (uint64_t)setting("AVRO_RANDOM_SEED", 1));
	if (getenv("AVRO_RANDOM_WRITE") != NULL)
		events_file = fopen(getenv("AVRO_RANDOM_WRITE"), "w");
	for (long i = 0; i < events; i += EVENTS_PER_SCHEMA)
		check_schema(EVENTS_PER_SCHEMA);
	if (events_file != NULL)
		assert_int_equal(fclose(events_file), 0);
	print_message("%ld events, %ld more with a changed byte\n", events_done, changed_taken);
	assert_true(events_done > events * 9 / 10);
}

/* The shortest of 15, 16 and 17 digits that reads back. */
static void
slow_double(char *out, size_t size, double v)
{
	for (int precision = fabs(v) < 0x1p-1022 ? 1 : 15; precision <= 17; precision++) {
		snprintf(out, size, "%.*g", precision, v);
		if (strtod(out, NULL) == v)
			break;
	}
	if (strpbrk(out, ".e") == NULL)
		snprintf(out + strlen(out), size - strlen(out), ".0");
}

static void
test_doubles(void **state)
{
	struct buffer b = BUFFER_INIT;
	char slow[64];

	(void)state;
	random_seed(&rnd, (uint64_t)setting("AVRO_RANDOM_SEED", 1));
	for (int i = 0; i < 200000; i++) {
		double v = i % 2 ? any_double() : (double)any_integer() / pow(10, below(25));

		if (i % 7 == 0)
			v = nextafter(v, i % 2 ? INFINITY : -INFINITY);
		if (!isfinite(v) || (v == rint(v) && fabs(v) < 1e16))
			continue;
		buffer_clear(&b);
		json_text_double(&b, v);
		slow_double(slow, sizeof(slow), v);
		assert_string_equal(buffer_text(&b), slow);
	}
	buffer_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_doubles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
