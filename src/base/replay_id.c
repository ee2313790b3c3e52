#include "base/replay_id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

int
replay_id_set(struct replay_id *id, struct text bytes)
{
	memset(id, 0, sizeof(*id));
	if (bytes.len > sizeof(id->bytes))
		return -1;
	if (bytes.len > 0)
		memcpy(id->bytes, bytes.data, bytes.len);
	id->len = (uint8_t)bytes.len;
	return 0;
}

bool
replay_id_equal(const struct replay_id *a, const struct replay_id *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

char *
replay_id_hex(char *out, const struct replay_id *id)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < id->len; i++) {
		out[2 * i] = digits[id->bytes[i] >> 4];
		out[2 * i + 1] = digits[id->bytes[i] & 15];
	}
	out[2 * id->len] = '\0';
	return out;
}

bool
replay_id_number(const struct replay_id *id, uint64_t *number)
{
	if (id->len != 8 && (id->len != 10 || id->bytes[8] != 0 || id->bytes[9] != 0))
		return false;
	*number = 0;
	for (size_t i = 0; i < 8; i++)
		*number = *number << 8 | id->bytes[i];
	return true;
}

static void
set_number(struct replay_id *id, uint64_t number)
{
	memset(id, 0, sizeof(*id));
	id->len = 10;
	for (int i = 7; i >= 0; i--, number >>= 8)
		id->bytes[i] = (uint8_t)number;
}

int
replay_id_parse(struct replay_id *id, const char *s, struct error *e)
{
	struct buffer decoded = BUFFER_INIT;
	const char *hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X') ? s + 2 : s;
	size_t len = strlen(s);
	ssize_t n;
	int rc = -1;

	memset(id, 0, sizeof(*id));
	/* sixteen hex digits and more are hex even when all are decimal: that is how sfzb prints ids */
	if (strlen(hex) >= 16 || hex != s) {
		n = encode_unhex(text_of(hex), id->bytes, sizeof(id->bytes));
		if (n > 0) {
			id->len = (uint8_t)n;
			return 0;
		}
	}
	if (len > 0 && len <= 20 && strspn(s, "0123456789") == len) {
		unsigned long long number;

		errno = 0;
		number = strtoull(s, NULL, 10);
		if (errno == 0) {
			set_number(id, number);
			return 0;
		}
	}
	if (len >= 8 && encode_unbase64(text_of(s), &decoded) == 0 && decoded.len >= 8 &&
	    replay_id_set(id, buffer_span(&decoded)) == 0)
		rc = 0;
	buffer_release(&decoded);
	if (rc != 0) {
		memset(id, 0, sizeof(*id));
		error_set(e, ERR_USAGE, "'%s' is not a replay id", s);
		error_hint(e, "write it as hex (0000000000076f690000), base64 (AAAAAAAHb2kAAA==) or a decimal number (487273)");
	}
	return rc;
}
