#include "base/json_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

/*
 * Eight bytes at once: none below 0x20, none a quote or a backslash. Subtracting one (0x20) from each byte borrows into
 * its top bit just where the byte was 0 (below 0x20); a borrow from a neighbour only ever says no too often.
 */
static inline bool
nothing_to_escape(const unsigned char *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
	uint64_t word, quote, backslash;

	memcpy(&word, p, 8);
	quote = word ^ ones * '"';
	backslash = word ^ ones * '\\';
	return ((((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) |
	    ((backslash - ones) & ~backslash)) & tops) == 0;
}

void
json_text_string(struct buffer *out, struct text s)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)s.data;
	size_t run = 0;

	buffer_reserve(out, s.len + 2);
	buffer_append_byte(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		char escape;

		while (s.len - i > 8 && nothing_to_escape(p + i))
			i += 8;
		if (p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
			continue;
		buffer_append(out, p + run, i - run);
		run = i + 1;
		switch (p[i]) {
		case '"': escape = '"'; break;
		case '\\': escape = '\\'; break;
		case '\n': escape = 'n'; break;
		case '\r': escape = 'r'; break;
		case '\t': escape = 't'; break;
		case '\b': escape = 'b'; break;
		case '\f': escape = 'f'; break;
		default: escape = 'u'; break;
		}
		buffer_append_byte(out, '\\');
		buffer_append_byte(out, (uint8_t)escape);
		if (escape == 'u') {
			buffer_append(out, "00", 2);
			buffer_append_byte(out, (uint8_t)digits[p[i] >> 4]);
			buffer_append_byte(out, (uint8_t)digits[p[i] & 15]);
		}
	}
	if (s.len > run)
		buffer_append(out, p + run, s.len - run);
	buffer_append_byte(out, '"');
}

void
json_text_int64(struct buffer *out, int64_t v)
{
	char digits[24];
	size_t n = sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		digits[--n] = (char)('0' + u % 10);
		u /= 10;
	} while (u != 0);
	if (v < 0)
		digits[--n] = '-';
	buffer_append(out, digits + n, sizeof(digits) - n);
}

/*
 * Most doubles in events are decimals of few digits. Where v * 10^k is near an integer r below 10^15 and r / 10^k
 * is v, r with k decimals is the shortest form: both are exact doubles, so the quotient is rounded just as strtod rounds the
 * text, and no two decimals of up to 15 digits read as the same double. k starts at 1: the caller has written integers.
 */
static bool
append_decimal(struct buffer *out, double v)
{
	static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11};
	double magnitude = fabs(v);
	char digits[24];
	size_t n = sizeof(digits);

	if (!(magnitude >= 1e-4 && magnitude < 1e14))
		return false;
	for (size_t k = 1; k < sizeof(powers) / sizeof(powers[0]); k++) {
		double scaled = magnitude * powers[k];
		uint64_t r;

		if (scaled >= 1e15)
			return false;
		r = (uint64_t)(scaled + 0.5);
		if ((double)r / powers[k] != magnitude)
			continue;
		for (size_t i = 0; i <= k || r > 0; i++) {
			if (i == k)
				digits[--n] = '.';
			digits[--n] = (char)('0' + r % 10);
			r /= 10;
		}
		if (v < 0)
			digits[--n] = '-';
		buffer_append(out, digits + n, sizeof(digits) - n);
		return true;
	}
	return false;
}

void
json_text_double(struct buffer *out, double v)
{
	char s[40];

	if (isnan(v)) {
		buffer_append_text(out, "\"NaN\"");
		return;
	}
	if (isinf(v)) {
		buffer_append_text(out, v < 0 ? "\"-Infinity\"" : "\"Infinity\"");
		return;
	}
	if (v == (double)(int64_t)(v > -1e16 && v < 1e16 ? v : 0.5) && (v != 0 || !signbit(v))) {
		json_text_int64(out, (int64_t)v);
		buffer_append(out, ".0", 2);
		return;
	}
	if (append_decimal(out, v))
		return;
	/* 15 digits always read back as written, so %g's shortest form of them is the shortest there is;
	 * denormals have fewer digits to begin with */
	for (int precision = fabs(v) < 0x1p-1022 ? 1 : 15; precision <= 17; precision++) {
		snprintf(s, sizeof(s), "%.*g", precision, v);
		if (precision == 17 || strtod(s, NULL) == v)
			break;
	}
	buffer_append_text(out, s);
	if (strpbrk(s, ".e") == NULL)
		buffer_append(out, ".0", 2);
}

enum state { STATE_VALUE, STATE_FIRST_KEY, STATE_KEY, STATE_COLON, STATE_FIRST_ITEM, STATE_AFTER, STATE_DONE };

void
json_reader_init(struct json_reader *r, struct text input)
{
	*r = (struct json_reader){.input = input, .state = STATE_VALUE};
}

void
json_reader_release(struct json_reader *r)
{
	buffer_release(&r->unescaped);
}

static enum json_token
fail(struct json_reader *r, struct error *e, const char *what)
{
	error_set(e, ERR_REFUSED, "not valid JSON: %s at byte %zu", what, r->at);
	return JSON_TOKEN_ERROR;
}

static void
skip_space(struct json_reader *r)
{
	while (r->at < r->input.len && strchr(" \t\r\n", r->input.data[r->at]) != NULL &&
	    r->input.data[r->at] != '\0')
		r->at++;
}

static int
read_hex4(struct json_reader *r, size_t at, uint32_t *v)
{
	*v = 0;
	if (r->input.len - at < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		char c = r->input.data[at + i];
		uint32_t d;

		if (c >= '0' && c <= '9')
			d = (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			d = (uint32_t)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			d = (uint32_t)(c - 'A' + 10);
		else
			return -1;
		*v = *v << 4 | d;
	}
	return 0;
}

static void
append_utf8(struct buffer *b, uint32_t c)
{
	if (c < 0x80) {
		buffer_append_byte(b, (uint8_t)c);
	} else if (c < 0x800) {
		buffer_append_byte(b, (uint8_t)(0xC0 | c >> 6));
		buffer_append_byte(b, (uint8_t)(0x80 | (c & 0x3F)));
	} else if (c < 0x10000) {
		buffer_append_byte(b, (uint8_t)(0xE0 | c >> 12));
		buffer_append_byte(b, (uint8_t)(0x80 | (c >> 6 & 0x3F)));
		buffer_append_byte(b, (uint8_t)(0x80 | (c & 0x3F)));
	} else {
		buffer_append_byte(b, (uint8_t)(0xF0 | c >> 18));
		buffer_append_byte(b, (uint8_t)(0x80 | (c >> 12 & 0x3F)));
		buffer_append_byte(b, (uint8_t)(0x80 | (c >> 6 & 0x3F)));
		buffer_append_byte(b, (uint8_t)(0x80 | (c & 0x3F)));
	}
}

/* One escape; at points behind the backslash. */
static const char *
read_escape(struct json_reader *r)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	char c = r->at < r->input.len ? r->input.data[r->at] : '\0';
	const char *found = c != '\0' ? strchr(names, c) : NULL;
	uint32_t high, low;

	if (found != NULL) {
		buffer_append_byte(&r->unescaped, (uint8_t)values[found - names]);
		r->at++;
		return NULL;
	}
	if (c != 'u' || read_hex4(r, r->at + 1, &high) != 0)
		return "a bad escape";
	r->at += 5;
	if (high >= 0xD800 && high <= 0xDBFF) {
		if (r->input.len - r->at < 6 || r->input.data[r->at] != '\\' ||
		    r->input.data[r->at + 1] != 'u' || read_hex4(r, r->at + 2, &low) != 0 ||
		    low < 0xDC00 || low > 0xDFFF)
			return "half a surrogate pair";
		r->at += 6;
		high = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
	} else if (high >= 0xDC00 && high <= 0xDFFF) {
		return "half a surrogate pair";
	}
	append_utf8(&r->unescaped, high);
	return NULL;
}

static enum json_token
read_string(struct json_reader *r, enum json_token kind, struct error *e)
{
	size_t run = ++r->at;
	bool escaped = false;

	buffer_clear(&r->unescaped);
	for (;;) {
		unsigned char c;

		if (r->at >= r->input.len)
			return fail(r, e, "a string without an end");
		c = (unsigned char)r->input.data[r->at];
		if (c < 0x20)
			return fail(r, e, "a control character in a string");
		if (c == '"')
			break;
		if (c == '\\') {
			const char *problem;

			buffer_append(&r->unescaped, r->input.data + run, r->at - run);
			escaped = true;
			r->at++;
			problem = read_escape(r);
			if (problem != NULL)
				return fail(r, e, problem);
			run = r->at;
		} else {
			r->at++;
		}
	}
	if (escaped) {
		buffer_append(&r->unescaped, r->input.data + run, r->at - run);
		r->value = buffer_span(&r->unescaped);
	} else {
		r->value = text_span(r->input.data + run, r->at - run);
	}
	r->at++;
	if (!text_is_utf8(r->value))
		return fail(r, e, "text that is not UTF-8");
	return kind;
}

static enum json_token
read_number(struct json_reader *r, struct error *e)
{
	const char *p = r->input.data + r->at, *end = r->input.data + r->input.len, *start = p;
	const char *from;

	if (p < end && *p == '-')
		p++;
	from = p;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	if (p == from || (*from == '0' && p - from > 1))
		return fail(r, e, "a bad number");
	if (p < end && *p == '.') {
		from = ++p;
		while (p < end && *p >= '0' && *p <= '9')
			p++;
		if (p == from)
			return fail(r, e, "a bad number");
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		from = p;
		while (p < end && *p >= '0' && *p <= '9')
			p++;
		if (p == from)
			return fail(r, e, "a bad number");
	}
	r->value = text_span(start, (size_t)(p - start));
	r->at += r->value.len;
	return JSON_TOKEN_NUMBER;
}

static enum json_token
read_word(struct json_reader *r, struct error *e)
{
	static const struct {
		const char *word;
		enum json_token token;
	} words[] = {{"null", JSON_TOKEN_NULL}, {"true", JSON_TOKEN_TRUE}, {"false", JSON_TOKEN_FALSE}};

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(words[i].word);

		if (r->input.len - r->at >= n && memcmp(r->input.data + r->at, words[i].word, n) == 0) {
			r->at += n;
			return words[i].token;
		}
	}
	return fail(r, e, "an unexpected character");
}

static enum json_token
open_bracket(struct json_reader *r, char kind, struct error *e)
{
	if (r->depth >= LIMIT_JSON_DEPTH)
		return fail(r, e, "nesting deeper than 100");
	r->stack[r->depth++] = (unsigned char)kind;
	r->at++;
	r->state = kind == '{' ? STATE_FIRST_KEY : STATE_FIRST_ITEM;
	return kind == '{' ? JSON_TOKEN_OBJECT : JSON_TOKEN_ARRAY;
}

static enum json_token
close_bracket(struct json_reader *r)
{
	char kind = (char)r->stack[--r->depth];

	r->at++;
	r->state = r->depth == 0 ? STATE_DONE : STATE_AFTER;
	return kind == '{' ? JSON_TOKEN_OBJECT_END : JSON_TOKEN_ARRAY_END;
}

static enum json_token
read_value(struct json_reader *r, char c, struct error *e)
{
	enum json_token token;

	if (c == '{' || c == '[')
		return open_bracket(r, c, e);
	if (c == '"')
		token = read_string(r, JSON_TOKEN_STRING, e);
	else if (c == '-' || (c >= '0' && c <= '9'))
		token = read_number(r, e);
	else
		token = read_word(r, e);
	r->state = r->depth == 0 ? STATE_DONE : STATE_AFTER;
	return token;
}

enum json_token
json_reader_next(struct json_reader *r, struct error *e)
{
	for (;;) {
		char c;

		skip_space(r);
		if (r->at >= r->input.len) {
			if (r->state == STATE_DONE)
				return JSON_TOKEN_END;
			return fail(r, e, "the end came too early");
		}
		c = r->input.data[r->at];
		switch ((enum state)r->state) {
		case STATE_DONE:
			return fail(r, e, "more text after the value");
		case STATE_AFTER:
			if (c == (r->stack[r->depth - 1] == '{' ? '}' : ']'))
				return close_bracket(r);
			if (c != ',')
				return fail(r, e, "a ',' is missing");
			r->at++;
			r->state = r->stack[r->depth - 1] == '{' ? STATE_KEY : STATE_VALUE;
			continue;
		case STATE_FIRST_KEY:
			if (c == '}')
				return close_bracket(r);
			/* fall through */
		case STATE_KEY:
			if (c != '"')
				return fail(r, e, "a key is missing");
			r->state = STATE_COLON;
			return read_string(r, JSON_TOKEN_KEY, e);
		case STATE_COLON:
			if (c != ':')
				return fail(r, e, "a ':' is missing");
			r->at++;
			r->state = STATE_VALUE;
			continue;
		case STATE_FIRST_ITEM:
			if (c == ']')
				return close_bracket(r);
			/* fall through */
		case STATE_VALUE:
			return read_value(r, c, e);
		}
	}
}

int
json_reader_skip(struct json_reader *r, enum json_token first, struct error *e)
{
	int depth = r->depth;

	if (first == JSON_TOKEN_ERROR)
		return -1;
	if (first != JSON_TOKEN_OBJECT && first != JSON_TOKEN_ARRAY)
		return 0;
	while (r->depth >= depth)
		if (json_reader_next(r, e) == JSON_TOKEN_ERROR)
			return -1;
	return 0;
}
