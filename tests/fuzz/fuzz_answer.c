/*
 * Answers of the workspace that are no success: the first byte is the status, the rest the body, of whatever form. An error comes of
 * each, with text that a terminal can be given.
 */
#include <stdlib.h>

#include "databricks/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = {200, 302, 400, 401, 403, 404, 409, 429, 500, 501, 502, 503, 504};
	struct http_response r;
	struct error e = ERROR_INIT;

	if (size == 0)
		return 0;
	http_response_init(&r);
	r.status = statuses[data[0] % (sizeof(statuses) / sizeof(statuses[0]))];
	buffer_append(&r.body, data + 1, size - 1);
	if (databricks_error(&r, "GET https://example.com", &e) != -1 || e.code == ERR_OK)
		abort();
	for (const char *p = e.text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			abort();
	http_response_release(&r);
	return 0;
}
