#include "base/roff.h"

void
roff_append(struct buffer *out, struct text s)
{
	for (size_t i = 0; i < s.len; i++) {
		bool line_start = i == 0 || s.data[i - 1] == '\n';

		switch (s.data[i]) {
		case '\\':
			buffer_append_text(out, "\\e");
			break;
		case '-':
			buffer_append_text(out, "\\-");
			break;
		case '~':
			buffer_append_text(out, "\\(ti");
			break;
		case '^':
			buffer_append_text(out, "\\(ha");
			break;
		case '`':
			buffer_append_text(out, "\\(ga");
			break;
		case '\'':
			buffer_append_text(out, line_start ? "\\&\\(aq" : "\\(aq");
			break;
		case '.':
			buffer_append_text(out, line_start ? "\\&." : ".");
			break;
		default:
			buffer_append_byte(out, (uint8_t)s.data[i]);
		}
	}
}
