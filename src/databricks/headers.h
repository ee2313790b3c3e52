/*
 * Headers from a command, sent at the opening of every ingest stream: what the vendor's SDKs call a headers provider. The
 * command is started by the shell, reads key=value lines up to an empty one on standard input
 *
 *   table=main.crm.events
 *   refused=true             only when the server has just refused the last authorization
 *
 * and prints headers, `name: value`, a line each. An authorization among them stands in for the token that would be got;
 * others come on top. Its standard error is the person's. Values are secrets: never stored, never logged.
 */
#ifndef SFZB_DATABRICKS_HEADERS_H
#define SFZB_DATABRICKS_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/secret.h"
#include "base/text.h"

struct header {
	char *name; /* lower case */
	struct secret value;
};
struct headers {
	struct header *items;
	size_t count;
};
#define HEADERS_INIT                                                                               \
	{                                                                                          \
		.count = 0                                                                         \
	}
void headers_release(struct headers *h);
/* The value of a header, or NULL. */
const struct secret *headers_find(const struct headers *h, const char *name);

struct headers_question {
	const char *command, *table;
	bool refused;
	bool (*is_cancelled)(void *context); /* may be NULL */
	void *context;
};
/*
 * Adds what it prints. Blocking. ERR_CONFIG when the shell does not find the command, ERR_UNAVAILABLE when it fails or takes
 * longer than a minute. ERR_CREDENTIALS names the line, never its content: no header, a name that is not the caller's to set
 * (user-agent, grpc-…, binary ones), a value with other than printable ASCII, a name twice, too many.
 */
int headers_ask(struct headers *h, const struct headers_question *q, struct error *e);

#endif
