#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const struct {
	const char *name;
	int status;
	enum disposition disposition;
} codes[] = {
#define X(name, status, disposition, words) {#name, status, DISPOSITION_##disposition},
    ERROR_CODES(X)
#undef X
};

void
error_clear(struct error *e)
{
	if (e == NULL)
		return;
	e->code = ERR_OK;
	e->retry_after_ms = 0;
	e->text[0] = '\0';
	e->hint[0] = '\0';
}

/* Text of which more was to come than the first `size` bytes, its NUL among them: between two characters, and it shows. */
static void
mark_cut(char *text, size_t size)
{
	char whole[ERROR_TEXT_MAX];

	memcpy(whole, text, size);
	text_clean(text, size, text_span(whole, size - 1));
}

static void
set_text(struct error *e, enum error_code code, const char *format, va_list ap)
{
	error_clear(e);
	e->code = code;
	if (vsnprintf(e->text, sizeof(e->text), format, ap) >= (int)sizeof(e->text))
		mark_cut(e->text, sizeof(e->text));
}

int
error_set(struct error *e, enum error_code code, const char *format, ...)
{
	va_list ap;

	if (e == NULL)
		return -1;
	va_start(ap, format);
	set_text(e, code, format, ap);
	va_end(ap);
	return -1;
}

int
error_set_errno(struct error *e, enum error_code code, int errnum, const char *format, ...)
{
	const char *reason = strerror(errnum);
	size_t len, room = sizeof(e->text) - strlen(reason) - 2;
	va_list ap;

	if (e == NULL)
		return -1;
	va_start(ap, format);
	set_text(e, code, format, ap);
	va_end(ap);
	/* the reason is what counts */
	if (strlen(e->text) >= room)
		mark_cut(e->text, room);
	len = strlen(e->text);
	snprintf(e->text + len, sizeof(e->text) - len, ": %s", reason);
	return -1;
}

int
error_wrap(struct error *e, const char *format, ...)
{
	char inner[ERROR_TEXT_MAX];
	va_list ap;
	size_t at, len;
	int n;

	if (e == NULL)
		return -1;
	memcpy(inner, e->text, sizeof(inner));
	va_start(ap, format);
	n = vsnprintf(e->text, sizeof(e->text), format, ap);
	va_end(ap);
	at = n < 0 ? 0 : (size_t)n;
	if (at >= sizeof(e->text))
		mark_cut(e->text, sizeof(e->text));
	if (at + 2 >= sizeof(e->text))
		return -1;
	memcpy(e->text + at, ": ", 2);
	at += 2;
	len = strlen(inner);
	if (len >= sizeof(e->text) - at) { /* what does not fit is the end of the inner text */
		memcpy(e->text + at, inner, sizeof(e->text) - at);
		mark_cut(e->text, sizeof(e->text));
		return -1;
	}
	memcpy(e->text + at, inner, len + 1);
	return -1;
}

int
error_hint(struct error *e, const char *format, ...)
{
	va_list ap;

	if (e == NULL)
		return -1;
	va_start(ap, format);
	if (vsnprintf(e->hint, sizeof(e->hint), format, ap) >= (int)sizeof(e->hint))
		mark_cut(e->hint, sizeof(e->hint));
	va_end(ap);
	return -1;
}

int
error_exit_status(enum error_code code)
{
	return codes[code].status;
}

enum disposition
error_disposition(enum error_code code)
{
	return codes[code].disposition;
}

const char *
error_name(enum error_code code)
{
	return codes[code].name;
}
