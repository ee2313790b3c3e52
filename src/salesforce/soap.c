#include "salesforce/soap.h"

#include <stdlib.h>
#include <string.h>

static void
append_escaped(struct buffer *out, const char *s)
{
	for (; *s != '\0'; s++) {
		switch (*s) {
		case '&':
			buffer_append_text(out, "&amp;");
			break;
		case '<':
			buffer_append_text(out, "&lt;");
			break;
		case '>':
			buffer_append_text(out, "&gt;");
			break;
		case '"':
			buffer_append_text(out, "&quot;");
			break;
		default:
			buffer_append_byte(out, (uint8_t)*s);
		}
	}
}

void
soap_login_request(struct buffer *out, const char *username, const char *password)
{
	buffer_append_text(out,
	    "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
	    "<se:Envelope xmlns:se=\"http://schemas.xmlsoap.org/soap/envelope/\"><se:Body>"
	    "<login xmlns=\"urn:partner.soap.sforce.com\"><username>");
	append_escaped(out, username);
	buffer_append_text(out, "</username><password>");
	append_escaped(out, password);
	buffer_append_text(out, "</password></login></se:Body></se:Envelope>");
}

static void
append_utf8(struct buffer *out, unsigned long c)
{
	if (c < 0x80) {
		buffer_append_byte(out, (uint8_t)c);
	} else if (c < 0x800) {
		buffer_append_byte(out, (uint8_t)(0xC0 | c >> 6));
		buffer_append_byte(out, (uint8_t)(0x80 | (c & 0x3F)));
	} else if (c < 0x10000) {
		buffer_append_byte(out, (uint8_t)(0xE0 | c >> 12));
		buffer_append_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3F)));
		buffer_append_byte(out, (uint8_t)(0x80 | (c & 0x3F)));
	} else {
		buffer_append_byte(out, (uint8_t)(0xF0 | c >> 18));
		buffer_append_byte(out, (uint8_t)(0x80 | (c >> 12 & 0x3F)));
		buffer_append_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3F)));
		buffer_append_byte(out, (uint8_t)(0x80 | (c & 0x3F)));
	}
}

/* The entity that begins at s with '&'; returns how many bytes it has, 0 when it is none. */
static size_t
append_entity(struct buffer *out, const char *s, size_t len)
{
	static const struct {
		const char *name;
		char c;
	} named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
	char number[16];
	const char *end = memchr(s, ';', len < 12 ? len : 12);
	size_t n = end != NULL ? (size_t)(end - s) + 1 : 0;
	unsigned long c;
	char *rest;

	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		if (text_is(text_span(s, n), named[i].name)) {
			buffer_append_byte(out, (uint8_t)named[i].c);
			return n;
		}
	}
	if (n < 4 || s[1] != '#')
		return 0;
	memcpy(number, s + 2, n - 3);
	number[n - 3] = '\0';
	c = number[0] == 'x' ? strtoul(number + 1, &rest, 16) : strtoul(number, &rest, 10);
	if (*rest != '\0' || c == 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return 0;
	append_utf8(out, c);
	return n;
}

static const char *
find(const char *haystack, const char *end, const char *needle)
{
	return haystack < end ? memmem(haystack, (size_t)(end - haystack), needle, strlen(needle)) : NULL;
}

/* The text behind an opening tag at p, up to its closing tag. */
static bool
append_content(struct buffer *out, const char *p, const char *end)
{
	size_t before = out->len;

	while (p < end && *p != '<') {
		size_t n = *p == '&' ? append_entity(out, p, (size_t)(end - p)) : 0;

		if (n == 0)
			buffer_append_byte(out, (uint8_t)*p);
		p += n > 0 ? n : 1;
	}
	if (end - p < 2 || p[1] != '/') {
		out->len = before;
		return false;
	}
	return true;
}

bool
soap_element(struct text xml, const char *name, struct buffer *out)
{
	const char *p = xml.data, *end = xml.data + xml.len;

	if (xml.len == 0 || find(p, end, "<!DOCTYPE") != NULL)
		return false;
	while (p < end && (p = memchr(p, '<', (size_t)(end - p))) != NULL) {
		const char *close = memchr(p, '>', (size_t)(end - p));
		const char *begin = ++p;
		struct text tag;
		const char *colon;

		if (close == NULL)
			return false;
		while (p < close && strchr(" \t\r\n/", *p) == NULL)
			p++;
		tag = text_span(begin, (size_t)(p - begin));
		colon = tag.len > 0 ? memchr(tag.data, ':', tag.len) : NULL;
		if (colon != NULL)
			tag = text_span(colon + 1, (size_t)(begin + tag.len - colon - 1));
		p = close + 1;
		if (text_is(tag, name) && begin[0] != '/')
			return close[-1] == '/' || append_content(out, p, end);
	}
	return false;
}
