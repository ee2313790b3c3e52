#include "emulator/sql_lex.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

static void
add(struct spark_tokens *t, enum spark_kind kind, size_t start, size_t end, char *text)
{
	t->items = memory_reserve(t->items, &t->capacity, t->count + 1, sizeof(*t->items));
	t->items[t->count++] = (struct spark_token){.kind = kind, .start = start, .end = end, .text = text};
}

void
spark_tokens_release(struct spark_tokens *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->items[i].text);
	free(t->items);
	*t = (struct spark_tokens){.items = NULL};
}

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static void
append_code_point(struct buffer *b, unsigned long c)
{
	if (c < 0x80) {
		buffer_append_byte(b, (uint8_t)c);
	} else if (c < 0x800) {
		buffer_append_byte(b, (uint8_t)(0xC0 | (c >> 6)));
		buffer_append_byte(b, (uint8_t)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		buffer_append_byte(b, (uint8_t)(0xE0 | (c >> 12)));
		buffer_append_byte(b, (uint8_t)(0x80 | ((c >> 6) & 63)));
		buffer_append_byte(b, (uint8_t)(0x80 | (c & 63)));
	} else {
		buffer_append_byte(b, (uint8_t)(0xF0 | ((c >> 18) & 7)));
		buffer_append_byte(b, (uint8_t)(0x80 | ((c >> 12) & 63)));
		buffer_append_byte(b, (uint8_t)(0x80 | ((c >> 6) & 63)));
		buffer_append_byte(b, (uint8_t)(0x80 | (c & 63)));
	}
}

/* The escape behind the backslash at s; returns what lies behind it. */
static const char *
unescape(const char *s, struct buffer *b)
{
	static const char from[] = "ntrb0Z", to[] = "\n\t\r\b\0\x1a";
	const char *known;
	int digits = *s == 'u' ? 4 : *s == 'U' ? 8 : 0;

	if (digits > 0) {
		char hex[9] = "";

		for (int i = 0; i < digits && isxdigit((unsigned char)s[1 + i]); i++)
			hex[i] = s[1 + i];
		if ((int)strlen(hex) == digits) {
			append_code_point(b, strtoul(hex, NULL, 16));
			return s + 1 + digits;
		}
	}
	known = *s ? strchr(from, *s) : NULL;
	if (known != NULL)
		buffer_append_byte(b, (uint8_t)to[known - from]);
	else if (*s == '%' || *s == '_') {
		/* kept for LIKE */
		buffer_append_byte(b, '\\');
		buffer_append_byte(b, (uint8_t)*s);
	} else
		buffer_append_byte(b, (uint8_t)*s);
	return s + 1;
}

/* A literal or backticked name that starts at s (at its quote); NULL when it is not closed. */
static const char *
read_quoted(const char *s, bool raw, struct buffer *b)
{
	char quote = *s++;

	while (*s != '\0') {
		if (*s == quote && quote == '`' && s[1] == '`') {
			buffer_append_byte(b, '`');
			s += 2;
		} else if (*s == quote) {
			return s + 1;
		} else if (*s == '\\' && quote != '`' && !raw && s[1] != '\0') {
			s = unescape(s + 1, b);
		} else {
			buffer_append_byte(b, (uint8_t)*s++);
		}
	}
	return NULL;
}

static const char *
skip_blank(const char *s)
{
	for (;;) {
		if (isspace((unsigned char)*s)) {
			s++;
		} else if (s[0] == '-' && s[1] == '-') {
			s += strcspn(s, "\n");
		} else if (s[0] == '/' && s[1] == '*') {
			const char *close = strstr(s + 2, "*/");

			s = close == NULL ? s + strlen(s) : close + 2;
		} else {
			return s;
		}
	}
}

static const char *
number_end(const char *s)
{
	while (isdigit((unsigned char)*s))
		s++;
	if (*s == '.') {
		s++;
		while (isdigit((unsigned char)*s))
			s++;
	}
	if ((*s == 'e' || *s == 'E') &&
	    (isdigit((unsigned char)s[1]) || ((s[1] == '-' || s[1] == '+') && isdigit((unsigned char)s[2])))) {
		s += 2;
		while (isdigit((unsigned char)*s))
			s++;
	}
	/* suffixes: 1L, 2S, 3Y, 4BD, 5D, 6F */
	while (*s != '\0' && strchr("LlSsYyBbDdFf", *s) != NULL)
		s++;
	return s;
}

static size_t
sign_length(const char *s)
{
	static const char *const signs[] = {"<=>", "::", "<=", ">=", "<>", "!=", "==", "||", "->", "=>", "<<", ">>"};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strncmp(s, signs[i], strlen(signs[i])) == 0)
			return strlen(signs[i]);
	return 1;
}

/* Whether a colon here, without a blank before it, asks for a field of what stands before: payload:field. */
static bool
is_path(const struct spark_tokens *t, size_t at)
{
	const struct spark_token *last = t->count ? &t->items[t->count - 1] : NULL;

	return last != NULL && last->end == at &&
	    (last->kind == SQL_WORD || last->kind == SQL_NAME ||
		(last->kind == SQL_SIGN && (last->text[0] == ')' || last->text[0] == ']')));
}

static const char *
lex_one(const char *base, const char *s, struct spark_tokens *t, struct error *e)
{
	struct buffer b = BUFFER_INIT;
	size_t start = (size_t)(s - base);
	bool raw = (*s == 'r' || *s == 'R') && (s[1] == '\'' || s[1] == '"');
	const char *end;

	if (raw || *s == '\'' || *s == '"' || *s == '`') {
		char quote = s[raw];

		size_t len;

		end = read_quoted(s + raw, raw, &b);
		len = b.len;
		if (end == NULL) {
			buffer_release(&b);
			error_set(e, ERR_USAGE, "%c is not closed", quote);
			return NULL;
		}
		add(t, quote == '`' ? SQL_NAME : SQL_STRING, start, (size_t)(end - base), buffer_detach(&b));
		t->items[t->count - 1].len = len;
		return end;
	}
	if (isdigit((unsigned char)*s) || (*s == '.' && isdigit((unsigned char)s[1]))) {
		end = number_end(s);
		add(t, SQL_NUMBER, start, (size_t)(end - base), memory_strndup(s, (size_t)(end - s)));
		return end;
	}
	if (*s == ':' && is_word(s[1]) && !is_path(t, start)) {
		for (end = s + 1; is_word(*end);)
			end++;
		add(t, SQL_PARAMETER, start, (size_t)(end - base), memory_strndup(s + 1, (size_t)(end - s - 1)));
		return end;
	}
	if (is_word(*s)) {
		for (end = s; is_word(*end);)
			end++;
		add(t, SQL_WORD, start, (size_t)(end - base), memory_strndup(s, (size_t)(end - s)));
		return end;
	}
	end = s + sign_length(s);
	add(t, SQL_SIGN, start, (size_t)(end - base), memory_strndup(s, (size_t)(end - s)));
	return end;
}

int
spark_lex(const char *statement, struct spark_tokens *out, struct error *e)
{
	const char *s = skip_blank(statement);

	while (*s != '\0') {
		s = lex_one(statement, s, out, e);
		if (s == NULL)
			return -1;
		s = skip_blank(s);
	}
	add(out, SQL_END, strlen(statement), strlen(statement), memory_strdup("end of input"));
	return 0;
}
