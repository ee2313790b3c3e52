#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

struct text
text_of(const char *s)
{
	return (struct text){.data = s, .len = s ? strlen(s) : 0};
}

struct text
text_span(const void *data, size_t len)
{
	return (struct text){.data = data, .len = len};
}

bool
text_equal(struct text a, struct text b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool
text_is(struct text a, const char *s)
{
	return text_equal(a, text_of(s));
}

bool
text_starts(struct text a, const char *prefix)
{
	size_t n = strlen(prefix);

	return a.len >= n && memcmp(a.data, prefix, n) == 0;
}

bool
text_ends(struct text a, const char *suffix)
{
	size_t n = strlen(suffix);

	return a.len >= n && memcmp(a.data + a.len - n, suffix, n) == 0;
}

bool
text_contains(struct text a, const char *part)
{
	return a.len > 0 && memmem(a.data, a.len, part, strlen(part)) != NULL;
}

uint64_t
text_hash(struct text a)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < a.len; i++)
		h = (h ^ (uint8_t)a.data[i]) * UINT64_C(1099511628211);
	return h;
}

/* Bytes of the well-formed sequence at p, 0 when there is none. */
static size_t
utf8_sequence(const unsigned char *p, size_t left)
{
	size_t n;
	uint32_t c;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xC2 && p[0] <= 0xDF) {
		n = 2;
		c = p[0] & 0x1Fu;
	} else if ((p[0] & 0xF0) == 0xE0) {
		n = 3;
		c = p[0] & 0x0Fu;
	} else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
		n = 4;
		c = p[0] & 0x07u;
	} else {
		return 0;
	}
	if (left < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		c = (c << 6) | (p[i] & 0x3Fu);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000) || c > 0x10FFFF ||
	    (c >= 0xD800 && c <= 0xDFFF))
		return 0;
	return n;
}

bool
text_is_utf8(struct text a)
{
	const unsigned char *p = (const unsigned char *)a.data;
	size_t i = 0;

	while (i < a.len) {
		uint64_t word;

		/* eight ASCII bytes at a time: most event text is ASCII */
		if (a.len - i >= 8) {
			memcpy(&word, p + i, 8);
			if ((word & UINT64_C(0x8080808080808080)) == 0) {
				i += 8;
				continue;
			}
		}
		size_t n = utf8_sequence(p + i, a.len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

char *
text_dup(struct text a)
{
	return memory_strndup(a.data, a.len);
}

char *
text_clean(char *out, size_t size, struct text from)
{
	static const char ellipsis[] = "\xE2\x80\xA6";
	const unsigned char *p = (const unsigned char *)from.data;
	size_t i = 0, o = 0, room = size > sizeof(ellipsis) ? size - sizeof(ellipsis) : 0;

	if (size == 0)
		return out;
	while (i < from.len) {
		size_t n = utf8_sequence(p + i, from.len - i);

		if (o + (n ? n : 1) > room)
			break;
		if (n == 0 || (n == 1 && (p[i] < 0x20 || p[i] == 0x7F))) {
			out[o++] = p[i] == '\n' || p[i] == '\r' || p[i] == '\t' ? ' ' : '?';
			i++;
		} else if (n == 2 && p[i] == 0xC2 && p[i + 1] < 0xA0) {
			out[o++] = '?'; /* C1 control characters */
			i += 2;
		} else {
			memcpy(out + o, p + i, n);
			o += n;
			i += n;
		}
	}
	if (i < from.len && room > 0) {
		memcpy(out + o, ellipsis, sizeof(ellipsis) - 1);
		o += sizeof(ellipsis) - 1;
	}
	out[o] = '\0';
	return out;
}

char *
text_shown(char out[TEXT_SHOWN_SIZE], const char *given)
{
	return text_clean(out, TEXT_SHOWN_SIZE, text_of(given));
}

bool
text_glob(const char *pattern, const char *s)
{
	const char *star = NULL, *back = NULL;

	while (*s != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			back = s;
		} else if (*pattern == '?' || *pattern == *s) {
			pattern++;
			s++;
		} else if (star != NULL) {
			pattern = star + 1;
			s = ++back;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

char *
text_number(char out[TEXT_NUMBER_SIZE], int64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)n), at = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

char *
text_count(char out[TEXT_COUNT_SIZE], int64_t n, const char *one, const char *many)
{
	char number[TEXT_NUMBER_SIZE];

	snprintf(out, TEXT_COUNT_SIZE, "%s %s", text_number(number, n), n == 1 ? one : many);
	return out;
}
