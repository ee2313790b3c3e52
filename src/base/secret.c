#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void
secret_init(struct secret *s)
{
	*s = (struct secret)SECRET_INIT;
}

void
secret_release(struct secret *s)
{
	if (s->bytes != NULL) {
		secret_wipe(s->bytes, s->len);
		free(s->bytes);
	}
	secret_init(s);
}

void
secret_set(struct secret *s, struct text from)
{
	char *bytes = memory_strndup(from.data, from.len);

	secret_release(s);
	s->bytes = bytes;
	s->len = from.len;
}

void
secret_copy(struct secret *to, const struct secret *from)
{
	if (from->bytes == NULL)
		secret_release(to);
	else
		secret_set(to, text_span(from->bytes, from->len));
}

void
secret_move(struct secret *to, struct secret *from)
{
	secret_release(to);
	*to = *from;
	secret_init(from);
}

bool
secret_is_set(const struct secret *s)
{
	return s->bytes != NULL && s->len > 0;
}

bool
secret_equal(const struct secret *a, const struct secret *b)
{
	unsigned char difference = 0;

	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++)
		difference |= (unsigned char)(a->bytes[i] ^ b->bytes[i]);
	return difference == 0;
}

const char *
secret_reveal(const struct secret *s)
{
	return s->bytes ? s->bytes : "";
}

void
secret_wipe(void *p, size_t len)
{
	if (len > 0)
		explicit_bzero(p, len);
}
