#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/memory.h"
#include "base/random.h"
#include "emulator/parts.h"
#include "emulator/salesforce.h"

#define EVENTS_AT_A_TIME 10000

static char *
make_secret(void)
{
	uint8_t bytes[32];
	struct buffer text = BUFFER_INIT;

	random_system_bytes(bytes, sizeof bytes);
	encode_base64url(&text, bytes, sizeof bytes);
	return buffer_detach(&text);
}

static char *
make_client_id(void)
{
	char *random = make_secret(), *id = memory_format("3MVG9emulator.%s", random);

	free(random);
	return id;
}

static int
read_field_changes(struct salesforce *s, struct error *e)
{
	const struct emulator_options *o = s->emulator->options;

	for (size_t i = 0; i < o->field_change_count; i++) {
		struct org_change one;
		size_t to = i;

		if (schema_change_parse(&one.change, o->field_changes[i].text, o->field_changes[i].drops, &one.at, e) != 0)
			return error_wrap(e, o->field_changes[i].drops ? "--drop-field" : "--add-field");
		for (; to > 0 && s->changes[to - 1].at > one.at; to--)
			s->changes[to] = s->changes[to - 1];
		s->changes[to] = one;
	}
	return 0;
}

/* The events that are there from the start, or as many as were made when a signal came. */
static int
make_events(struct salesforce *s, uint64_t count, struct error *e)
{
	while (count > 0 && !emulator_is_interrupted()) {
		uint64_t n = count < EVENTS_AT_A_TIME ? count : EVENTS_AT_A_TIME;

		if (org_make(s->org, n, NULL, e) != 0)
			return -1;
		count -= n;
	}
	return 0;
}

static int
open_stores(struct salesforce *s, struct error *e)
{
	const struct emulator_options *o = s->emulator->options;
	char *bus_path = memory_format("%s/bus.db", s->emulator->directory);
	char *org_path = memory_format("%s/org.db", s->emulator->directory);
	int rc = -1;

	s->bus = bus_open(&(struct bus_options){ .path = bus_path,
			      .retention_ms = o->retention_ms,
			      .seed = o->seed,
			      .clock = s->emulator->clock },
	    e);
	if (s->bus && read_field_changes(s, e) == 0)
		s->org = org_open(&(struct org_options){ .path = org_path,
				      .objects = o->objects,
				      .seed = o->seed,
				      .clock = s->emulator->clock,
				      .bus = s->bus,
				      .enrich = o->enrich,
				      .changes = s->changes,
				      .change_count = o->field_change_count },
		    e);
	if (s->org && (s->listing = bus_reader_open(s->bus, e)) != NULL)
		rc = make_events(s, o->events, e);
	free(bus_path);
	free(org_path);
	return rc;
}

static int
open_secrets(struct salesforce *s, struct error *e)
{
	s->client_id = emulator_keep(s->emulator, "salesforce-client-id", make_client_id, e);
	s->client_secret = emulator_keep(s->emulator, "salesforce-client-secret", make_secret, e);
	s->password = emulator_keep(s->emulator, "salesforce-password", make_secret, e);
	return s->client_id && s->client_secret && s->password ? 0 : -1;
}

static int
open_servers(struct salesforce *s, struct error *e)
{
	const struct emulator *em = s->emulator;

	s->web = web_new(&(struct web_options){ .name = "Salesforce",
			     .port = em->options->salesforce_port,
			     .identity = &em->identity,
			     .faults = em->faults,
			     .not_found = salesforce_not_found,
			     .fault_body = salesforce_fault_body },
	    salesforce_routes, s, e);
	if (!s->web)
		return -1;
	s->instance_url = memory_format("https://localhost:%u", web_port(s->web));
	s->pubsub = pubsub_server_open(&(struct pubsub_server_options){ .emulator = s->emulator,
					   .bus = s->bus,
					   .org = s->org,
					   .tokens = s->tokens,
					   .deliveries = &s->deliveries,
					   .publishing = &s->publishing,
					   .instance_url = s->instance_url },
	    e);
	if (!s->pubsub)
		return -1;
	web_start(s->web);
	return 0;
}

static void
end(void *part)
{
	struct salesforce *s = part;

	org_end(s->org);
}

static void
close_part(void *part)
{
	struct salesforce *s = part;

	/* those who ask end before what they ask */
	web_free(s->web);
	pubsub_server_close(s->pubsub);
	org_close(s->org);
	bus_reader_close(s->listing);
	bus_close(s->bus);
	tokens_free(s->tokens);
	tokens_free(s->refresh_tokens);
	pthread_mutex_destroy(&s->listing_lock);
	query_pages_free(s->pages);
	quota_release(&s->api_calls);
	quota_release(&s->deliveries);
	quota_release(&s->publishing);
	free(s->instance_url);
	free(s->client_id);
	free(s->client_secret);
	free(s->password);
	free(s);
}

static void *
open_part(struct emulator *em, struct error *e)
{
	struct salesforce *s = memory_zero(1, sizeof *s);

	s->emulator = em;
	pthread_mutex_init(&s->listing_lock, NULL);
	s->tokens = tokens_new(em->clock, em->faults, "salesforce.tokens");
	s->refresh_tokens = tokens_new(em->clock, NULL, NULL);
	s->pages = query_pages_new(em->clock);
	quota_init(&s->api_calls, em->clock, em->options->api_limit, QUOTA_DAY_MS);
	quota_init(&s->deliveries, em->clock, em->options->delivery_limit, QUOTA_DAY_MS);
	quota_init(&s->publishing, em->clock, em->options->publish_limit, QUOTA_HOUR_MS);
	if (open_secrets(s, e) != 0 || open_stores(s, e) != 0) {
		close_part(s);
		return NULL;
	}
	topics_init(&s->topics, s->org);
	if (open_servers(s, e) != 0) {
		close_part(s);
		return NULL;
	}
	org_set_rate(s->org, em->options->rate);
	return s;
}

static void
settings(void *part, struct json *settings)
{
	struct salesforce *s = part;
	char endpoint[64];

	snprintf(endpoint, sizeof endpoint, "localhost:%u", pubsub_server_port(s->pubsub));
	json_set_string(settings, "method", "client-credentials");
	json_set_string(settings, "login_url", s->instance_url);
	json_set_string(settings, "instance_url", s->instance_url);
	json_set_string(settings, "client_id", s->client_id);
	json_set_string(settings, "client_secret", s->client_secret);
	json_set_string(settings, "pubsub_endpoint", endpoint);
}

static void
describe(void *part, struct buffer *out)
{
	struct salesforce *s = part;

	buffer_append_format(out, "  Salesforce     %s\n", s->instance_url);
	buffer_append_format(out, "  Pub/Sub API    localhost:%u\n", pubsub_server_port(s->pubsub));
	buffer_append_format(out, "  organisation   " ORG_ID ", user " ORG_USERNAME "\n");
}

static void
report(void *part, struct json *state)
{
	struct salesforce *s = part;

	json_set_int64(state, "published", (int64_t)bus_published(s->bus));
	json_set_int64(state, "rate", (int64_t)org_rate(s->org));
	json_set_int64(state, "tokens_issued", (int64_t)tokens_issued(s->tokens));
	json_set_int64(state, "http_requests", (int64_t)web_requests(s->web));
	pubsub_server_report(s->pubsub, state);
}

const struct part part_salesforce = {
	.name = "salesforce",
	.settings_file = "salesforce.json",
	.open = open_part,
	.settings = settings,
	.describe = describe,
	.report = report,
	.admin_routes = salesforce_admin_routes,
	.end = end,
	.close = close_part,
};
