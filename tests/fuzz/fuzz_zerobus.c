/*
 * The trailers a Zerobus stream ends with: the first byte is the status, the second how long the message is; the rest is
 * grpc-status-details-bin. Whatever comes, an error comes of it, with text that a terminal can be given.
 */
#include <stdlib.h>
#include <string.h>

#include "databricks/zerobus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct call_status status = {.code = 2};
	struct error e = ERROR_INIT;
	size_t message;

	if (size < 2)
		return 0;
	message = data[1] < size - 2 ? data[1] : size - 2;
	status.code = data[0] % 32;
	status.message = text_span(data + 2, message);
	status.details = text_span(data + 2 + message, size - 2 - message);
	if (zerobus_status_error(&status, data[0] >= 128, "main.crm.t", NULL, &e) != -1 || e.code == ERR_OK)
		abort();
	for (const char *p = e.text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			abort();
	return 0;
}
