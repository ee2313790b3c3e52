#include "cli/width.h"

#include <locale.h>
#include <stdbool.h>
#include <stdint.h>
#include <wchar.h>

/*
 * wcwidth knows the characters of its locale only, and the user's may be C: a UTF-8 one that comes with
 * the C library is put in place once, for characters alone.
 */
static void
use_utf8(void)
{
	static bool done;

	if (!done && setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		setlocale(LC_CTYPE, "");
	done = true;
}

/* One character; malformed bytes count as one column each. */
static size_t
next_character(struct text s, size_t at, size_t *columns)
{
	unsigned char c = (unsigned char)s.data[at];
	size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
	uint32_t code = len == 1 ? c : c & (0xffu >> (len + 1));
	int w;

	*columns = 1;
	if (len == 1 || at + len > s.len)
		return 1;
	for (size_t i = 1; i < len; i++) {
		unsigned char more = (unsigned char)s.data[at + i];

		if ((more & 0xc0) != 0x80)
			return 1;
		code = (code << 6) | (more & 0x3f);
	}
	w = wcwidth((wchar_t)code);
	*columns = w < 0 ? 1 : (size_t)w;
	return len;
}

size_t
width_cut(struct text s, size_t columns, size_t *used)
{
	size_t at = 0, total = 0;

	use_utf8();
	while (at < s.len) {
		size_t w, len = next_character(s, at, &w);

		if (total + w > columns)
			break;
		total += w;
		at += len;
	}
	*used = total;
	return at;
}

size_t
width_of(struct text s)
{
	size_t used;

	width_cut(s, SIZE_MAX, &used);
	return used;
}
