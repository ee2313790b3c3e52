#include "commands/tuning.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/version.h"
#include "rpc/channel.h"

/* "1s..60s", or one time for both. */
static int
parse_backoff(const char *s, int64_t *first_ms, int64_t *last_ms, struct error *e)
{
	const char *dots = strstr(s, "..");
	char *first = dots != NULL ? memory_strndup(s, (size_t)(dots - s)) : memory_strdup(s);
	int rc = clock_parse_duration(first, first_ms, e);

	if (rc == 0)
		rc = clock_parse_duration(dots != NULL ? dots + 2 : s, last_ms, e);
	free(first);
	if (rc == 0 && *first_ms > *last_ms)
		rc = error_set(e, ERR_USAGE, "the first wait is longer than the last");
	if (rc != 0) {
		e->code = ERR_USAGE;
		return error_wrap(e, "option '--retry-backoff'");
	}
	return 0;
}

/* It goes into a header. */
static int
check_name(const char *name, struct error *e)
{
	for (const char *c = name; c != NULL && *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			return error_set(e, ERR_USAGE, "option '--application-name': only printable ASCII can be sent");
	return 0;
}

int
tuning_apply(const struct tuning *t, struct engine_options *o, struct error *e)
{
	o->batch_rows = (size_t)t->batch_rows;
	o->batch_bytes = (size_t)t->batch_bytes;
	o->linger_ms = t->linger_ms;
	o->max_rows = (size_t)t->max_rows;
	o->max_bytes = (size_t)t->max_bytes;
	o->ack_timeout_ms = t->ack_timeout_ms;
	/* the sink gives up first, and says why */
	o->open_timeout_ms = t->open_timeout_ms + 30000;
	o->drain_timeout_ms = t->flush_timeout_ms;
	o->close_wait_ms = t->close_wait_ms;
	o->max_retries = t->recovery ? t->max_retries : 0;
	return check_name(t->application_name, e) == 0
	    ? parse_backoff(t->backoff, &o->backoff_first_ms, &o->backoff_last_ms, e)
	    : -1;
}

struct channel *
tuning_channel(const struct tuning *t, struct loop *l, const struct databricks_config *c, struct error *e)
{
	char *agent = t->application_name != NULL ? memory_format("%s %s", SFZB_USER_AGENT, t->application_name) : NULL;
	struct channel_options o = {.target = c->ingest.target, .ca_file = c->ca_file, .user_agent = agent};
	struct channel *channel = channel_new(l, &o, e);

	free(agent);
	return channel;
}

enum row_format
tuning_format(const struct tuning *t)
{
	return t->record_type == TUNING_JSON ? ROW_JSON : ROW_PROTO;
}
