#include "emulator/databricks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "emulator/parts.h"
#include "emulator/sql.h"

static char *
make_client_id(void)
{
	char id[UUID_SIZE];

	return memory_strdup(random_uuid(id));
}

static char *
make_hex(const char *prefix)
{
	uint8_t bytes[16];
	struct buffer text = BUFFER_INIT;

	random_system_bytes(bytes, sizeof(bytes));
	buffer_append_text(&text, prefix);
	buffer_append_hex(&text, bytes, sizeof(bytes));
	return buffer_detach(&text);
}

static char *
make_secret(void)
{
	return make_hex("dose");
}

static char *
make_token(void)
{
	return make_hex("dapi");
}

/* Or web_free would wait for requests that wait for statements. */
static void
end(void *part)
{
	struct databricks *d = part;

	warehouse_end(d->warehouse);
}

static void
close_part(void *part)
{
	struct databricks *d = part;

	web_free(d->web);
	warehouse_close(d->warehouse);
	zerobus_server_close(d->zerobus);
	lakehouse_close(d->lakehouse);
	tokens_free(d->tokens);
	tokens_free(d->people);
	free(d->host);
	free(d->client_id);
	free(d->client_secret);
	free(d->token);
	free(d);
}

static int
open_lakehouse(struct databricks *d, struct error *e)
{
	const struct emulator *em = d->emulator;
	char *path = memory_format("%s/lakehouse.db", em->directory);

	spark_set_up();
	d->lakehouse = lakehouse_open(&(struct lakehouse_options){.path = path,
					  .synchronous_full = em->options->synchronous_full,
					  .visibility_delay_ms = em->options->visibility_delay_ms,
					  .clock = em->clock},
	    e);
	free(path);
	return d->lakehouse ? 0 : -1;
}

static int
open_all(struct databricks *d, struct error *e)
{
	struct emulator *em = (struct emulator *)(uintptr_t)d->emulator;

	d->client_id = emulator_keep(em, "databricks-client-id", make_client_id, e);
	d->client_secret = emulator_keep(em, "databricks-client-secret", make_secret, e);
	d->token = emulator_keep(em, "databricks-token", make_token, e);
	if (d->client_id == NULL || d->client_secret == NULL || d->token == NULL || open_lakehouse(d, e) < 0)
		return -1;
	d->warehouse = warehouse_open(&(struct warehouse_options){
	    .lakehouse = d->lakehouse, .clock = em->clock, .start_ms = em->options->warehouse_start_ms, .poll_lag_ms = em->options->poll_lag_ms});
	d->zerobus = zerobus_server_open(&(struct zerobus_options){.emulator = em,
					     .lakehouse = d->lakehouse,
					     .tokens = d->tokens,
					     .ack_interval_ms = em->options->ack_interval_ms},
	    e);
	if (d->zerobus == NULL)
		return -1;
	d->web = web_new(&(struct web_options){.name = "Databricks",
			     .port = em->options->databricks_port,
			     .identity = &em->identity,
			     .faults = em->faults,
			     .not_found = workspace_not_found,
			     .fault_body = workspace_fault_body},
	    workspace_routes, d, e);
	if (d->web == NULL)
		return -1;
	d->host = memory_format("https://localhost:%u", web_port(d->web));
	web_start(d->web);
	return 0;
}

static void *
open_part(struct emulator *em, struct error *e)
{
	struct databricks *d = memory_zero(1, sizeof(*d));

	d->emulator = em;
	d->tokens = tokens_new(em->clock, em->faults, "databricks.tokens");
	d->people = tokens_new(em->clock, NULL, NULL);
	if (open_all(d, e) == 0)
		return d;
	close_part(d);
	return NULL;
}

static void
settings(void *part, struct json *j)
{
	struct databricks *d = part;
	char endpoint[64], visibility[32];

	snprintf(endpoint, sizeof(endpoint), "https://localhost:%u", zerobus_server_port(d->zerobus));
	json_set_string(j, "auth_type", "oauth-m2m");
	json_set_string(j, "host", d->host);
	json_set_string(j, "client_id", d->client_id);
	json_set_string(j, "client_secret", d->client_secret);
	json_set_string(j, "warehouse_id", WAREHOUSE_ID);
	json_set_string(j, "ingest_endpoint", endpoint);
	json_set_string(j, "workspace_id", DATABRICKS_WORKSPACE_ID);
	json_set_string(j, "region", DATABRICKS_REGION);
	json_set_string(j, "cloud", "aws");
	/* a commit is seen at once here, or this late: no need to wait as long as for the real service */
	snprintf(visibility, sizeof(visibility), "%lldms",
	    (long long)d->emulator->options->visibility_delay_ms + 200);
	json_set_string(j, "visibility_wait", visibility);
}

static void
describe(void *part, struct buffer *out)
{
	struct databricks *d = part;

	buffer_append_format(out, "  Databricks     %s\n", d->host);
	buffer_append_format(out, "  Zerobus        https://localhost:%u\n", zerobus_server_port(d->zerobus));
	buffer_append_format(out, "  warehouse      " WAREHOUSE_ID ", catalog main, schemas default and crm\n");
}

static void
report(void *part, struct json *state)
{
	struct databricks *d = part;

	json_set_int64(state, "tokens_issued", (int64_t)tokens_issued(d->tokens));
	json_set_int64(state, "http_requests", (int64_t)web_requests(d->web));
	json_set_int64(state, "statements", (int64_t)warehouse_statements(d->warehouse));
	zerobus_server_report(d->zerobus, state);
}

const struct part part_databricks = {
    .name = "databricks",
    .settings_file = "databricks.json",
    .open = open_part,
    .settings = settings,
    .describe = describe,
    .report = report,
    .admin_routes = workspace_admin_routes,
    .end = end,
    .close = close_part,
};
