/* base/: errors, text, JSON text, encoding, time, replay ids. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/json.h"
#include "base/json_text.h"
#include "base/replay_id.h"
#include "base/text.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_doubles(void **state)
{
	static const struct {
		double v;
		const char *text;
	} rows[] = {{100, "100.0"}, {0.1, "0.1"}, {1e21, "1e+21"}, {1e-7, "1e-07"}, {-0.0, "-0.0"},
	    {5e-324, "5e-324"}, {0.1f, "0.10000000149011612"}, {1e15, "1000000000000000.0"},
	    {1e16, "1e+16"}, {-12.5, "-12.5"}, {0, "0.0"}, {1.7976931348623157e308, "1.7976931348623157e+308"},
	    {__builtin_nan(""), "\"NaN\""}, {-__builtin_inf(), "\"-Infinity\""}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buffer b = BUFFER_INIT;

		json_text_double(&b, rows[i].v);
		assert_string_equal(buffer_text(&b), rows[i].text);
		buffer_release(&b);
	}
}

static void
test_json_reader(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {{"{}", true}, {" [1,2.5e3,-0] ", true}, {"{\"a\":{\"b\":[null,true,\"\\u00e4\\ud83d\\ude00\"]}}", true},
	    {"9007199254740993", true}, {"[1,]", false}, {"{\"a\" 1}", false}, {"01", false}, {"\"\\ud800\"", false},
	    {"\"\x01\"", false}, {"{} x", false}, {"", false}, {"nul", false}, {"\"\xff\"", false}, {"{\"a\":1,}", false}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct json_reader r;
		struct error e = ERROR_INIT;
		enum json_token t;

		json_reader_init(&r, text_of(rows[i].text));
		do
			t = json_reader_next(&r, &e);
		while (t != JSON_TOKEN_END && t != JSON_TOKEN_ERROR);
		if ((t == JSON_TOKEN_END) != rows[i].good)
			fail_msg("'%s': %s", rows[i].text, e.text);
		json_reader_release(&r);
	}
}

static void
test_replay_id(void **state)
{
	static const struct {
		const char *text, *hex;
	} rows[] = {{"487273", "0000000000076f690000"}, {"0000000000076f690000", "0000000000076f690000"},
	    {"0x0000000000076F690000", "0000000000076f690000"}, {"AAAAAAAHb2kAAA==", "0000000000076f690000"},
	    {"AAAAAAAHb2kAAA", "0000000000076f690000"}, {"0", "00000000000000000000"}, {"", NULL}, {"-1", NULL},
	    {"earliest!", NULL}, {"99999999999999999999999", NULL}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct replay_id id;
		struct error e = ERROR_INIT;
		char hex[REPLAY_ID_TEXT_SIZE];
		int rc = replay_id_parse(&id, rows[i].text, &e);

		if (rows[i].hex == NULL) {
			assert_int_equal(rc, -1);
			assert_int_equal(e.code, ERR_USAGE);
		} else {
			assert_int_equal(rc, 0);
			assert_string_equal(replay_id_hex(hex, &id), rows[i].hex);
		}
	}
}

static void
test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {{"1970-01-01", 0}, {"2026-11-01T10:00Z", 1793527200000}, {"2026-11-01T10:00:00.5+02:00", 1793520000500},
	    {"2h", 1000000000000 - 7200000}, {"2h ago", 1000000000000 - 7200000}, {"now", 1000000000000},
	    {"2024-02-29", 1709164800000}, {"2023-02-29", -1}, {"2026-13-01", -1}, {"yesterday", -1}, {"", -1}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		int64_t ms = -1;
		int rc = clock_parse_time(rows[i].text, 1000000000000, &ms, &e);

		if ((rc == 0) != (rows[i].ms >= 0) || (rc == 0 && ms != rows[i].ms))
			fail_msg("'%s' gives %lld", rows[i].text, (long long)ms);
	}
}

static void
test_clean(void **state)
{
	char out[16];

	(void)state;
	assert_string_equal(text_clean(out, sizeof(out), text_of("a\x1b[31mb\nc")), "a?[31mb c");
	assert_string_equal(text_clean(out, sizeof(out), text_of("abcdefghijklmnopqrst")), "abcdefghijkl\xE2\x80\xA6");
	assert_string_equal(text_clean(out, sizeof(out), text_of("\xff\xc3\xa4")), "?\xc3\xa4");
	assert_true(text_glob("Acc*Event", "AccountChangeEvent"));
	assert_false(text_glob("Acc?", "Account"));
}

static void
test_error_codes(void **state)
{
	struct error e = ERROR_INIT;

	(void)state;
	for (int i = 0; i < ERROR_CODE_COUNT; i++)
		assert_in_range(error_exit_status((enum error_code)i), 0, 143);
	assert_int_equal(error_set(&e, ERR_NOT_FOUND, "no topic '%s'", "X"), -1);
	error_wrap(&e, "cannot list topics");
	assert_string_equal(e.text, "cannot list topics: no topic 'X'");
	assert_int_equal(error_exit_status(e.code), 4);
}

/* What is too long ends between two characters and shows that it was cut; the reason of an errno is never what is left out. */
static void
test_error_too_long(void **state)
{
	static const char cut[] = "\xE2\x80\xA6";
	struct error e = ERROR_INIT;

	(void)state;
	for (size_t len = ERROR_TEXT_MAX - 40; len < ERROR_TEXT_MAX + 40; len++) {
		struct buffer b = BUFFER_INIT;
		char *text;

		while (b.len < len)
			buffer_append_text(&b, len % 2 == 0 ? "\xC3\xA4" : "\xE2\x82\xAC");
		text = buffer_text(&b);
		error_set(&e, ERR_FAILED, "%s", text);
		assert_true(text_is_utf8(text_of(e.text)));
		assert_int_equal(text_ends(text_of(e.text), cut), b.len >= ERROR_TEXT_MAX);
		error_wrap(&e, "in front");
		assert_true(text_is_utf8(text_of(e.text)) && text_starts(text_of(e.text), "in front: "));
		assert_int_equal(text_ends(text_of(e.text), cut), b.len + 10 >= ERROR_TEXT_MAX);
		error_wrap(&e, "%s", text);
		assert_true(text_is_utf8(text_of(e.text)));
		error_hint(&e, "%s", text);
		assert_true(text_is_utf8(text_of(e.hint)) && text_ends(text_of(e.hint), cut));
		error_set_errno(&e, ERR_FAILED, ENOENT, "cannot open '%s'", text);
		assert_true(text_is_utf8(text_of(e.text)) && text_ends(text_of(e.text), ": No such file or directory"));
		buffer_release(&b);
	}
}

static void
test_base64(void **state)
{
	struct buffer b = BUFFER_INIT, c = BUFFER_INIT;
	uint8_t bytes[64];

	(void)state;
	for (size_t n = 0; n < sizeof(bytes); n++) {
		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)(i * 37 + n);
		buffer_clear(&b);
		buffer_clear(&c);
		if (n % 2)
			buffer_append_base64(&b, bytes, n);
		else
			encode_base64url(&b, bytes, n);
		assert_int_equal(encode_unbase64(buffer_span(&b), &c), 0);
		assert_int_equal(c.len, n);
		if (n > 0)
			assert_memory_equal(c.data, bytes, n);
	}
	assert_int_equal(encode_unbase64(text_of("A"), &c), -1);
	assert_int_equal(encode_unbase64(text_of("AB=C"), &c), -1);
	buffer_release(&b);
	buffer_release(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_doubles),
	    cmocka_unit_test(test_json_reader),
	    cmocka_unit_test(test_replay_id),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_clean),
	    cmocka_unit_test(test_error_codes),
	    cmocka_unit_test(test_error_too_long),
	    cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
