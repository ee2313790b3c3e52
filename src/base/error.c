#include "base/error.h"

#include <stdio.h>
#include <string.h>

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

static void
set_text(struct error *e, enum error_code code, const char *format, va_list ap)
{
	error_clear(e);
	e->code = code;
	vsnprintf(e->text, sizeof(e->text), format, ap);
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
	va_list ap;
	size_t len;

	if (e == NULL)
		return -1;
	va_start(ap, format);
	set_text(e, code, format, ap);
	va_end(ap);
	len = strlen(e->text);
	snprintf(e->text + len, sizeof(e->text) - len, ": %s", strerror(errnum));
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
	if (at + 2 >= sizeof(e->text))
		return -1;
	memcpy(e->text + at, ": ", 2);
	at += 2;
	len = strlen(inner);
	if (len >= sizeof(e->text) - at) /* what does not fit is the end of the inner text */
		len = sizeof(e->text) - at - 1;
	memcpy(e->text + at, inner, len);
	e->text[at + len] = '\0';
	return -1;
}

int
error_hint(struct error *e, const char *format, ...)
{
	va_list ap;

	if (e == NULL)
		return -1;
	va_start(ap, format);
	vsnprintf(e->hint, sizeof(e->hint), format, ap);
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
