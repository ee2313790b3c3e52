#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/options.h"

enum {
	OPT_DIR = 256,
	OPT_SEED,
	OPT_EVENTS,
	OPT_RATE,
	OPT_OBJECTS,
	OPT_ADD_FIELD,
	OPT_DROP_FIELD,
	OPT_ENRICH,
	OPT_FAULTS,
	OPT_KEEPALIVE,
	OPT_RETENTION,
	OPT_VISIBILITY,
	OPT_TOKEN_LIFETIME,
	OPT_WAREHOUSE_START,
	OPT_ACK_INTERVAL,
	OPT_INGEST_RATE,
	OPT_INGEST_OPENS,
	OPT_INGEST_IDLE,
	OPT_POLL_LAG,
	OPT_CONNECTION_AGE,
	OPT_SYNCHRONOUS_FULL,
	OPT_TOKEN_ENDS_STREAMS,
	OPT_PUBLISH_LIMIT,
	OPT_DELIVERY_LIMIT,
	OPT_API_LIMIT,
	OPT_CLIENT_LIMIT,
	OPT_FETCH_RATE,
	OPT_ZERO_CREDIT,
	OPT_PUBLISH_IDLE,
	OPT_LATEST_DELAY,
	OPT_COMMIT_INTERVAL,
	OPT_ROTATE,
	OPT_CLOCK_OFFSET,
	OPT_CLOCK_SPEED,
	OPT_MANAGED_SLOT,
	OPT_MANAGED_PATIENCE,
	OPT_SALESFORCE_PORT,
	OPT_PUBSUB_PORT,
	OPT_DATABRICKS_PORT,
	OPT_ZEROBUS_PORT,
	OPT_ADMIN_PORT,
	OPT_COMPARE,
	OPT_HELP_FAULTS,
	OPT_MAN,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "dir", required_argument, NULL, OPT_DIR },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "events", required_argument, NULL, OPT_EVENTS },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "objects", required_argument, NULL, OPT_OBJECTS },
	{ "add-field", required_argument, NULL, OPT_ADD_FIELD },
	{ "drop-field", required_argument, NULL, OPT_DROP_FIELD },
	{ "enrich", required_argument, NULL, OPT_ENRICH },
	{ "faults", required_argument, NULL, OPT_FAULTS },
	{ "keepalive", required_argument, NULL, OPT_KEEPALIVE },
	{ "retention", required_argument, NULL, OPT_RETENTION },
	{ "visibility-delay", required_argument, NULL, OPT_VISIBILITY },
	{ "token-lifetime", required_argument, NULL, OPT_TOKEN_LIFETIME },
	{ "warehouse-start", required_argument, NULL, OPT_WAREHOUSE_START },
	{ "ack-interval", required_argument, NULL, OPT_ACK_INTERVAL },
	{ "ingest-rate", required_argument, NULL, OPT_INGEST_RATE },
	{ "ingest-opens", required_argument, NULL, OPT_INGEST_OPENS },
	{ "ingest-idle", required_argument, NULL, OPT_INGEST_IDLE },
	{ "poll-lag", required_argument, NULL, OPT_POLL_LAG },
	{ "connection-age", required_argument, NULL, OPT_CONNECTION_AGE },
	{ "synchronous-full", no_argument, NULL, OPT_SYNCHRONOUS_FULL },
	{ "token-ends-streams", no_argument, NULL, OPT_TOKEN_ENDS_STREAMS },
	{ "publish-limit", required_argument, NULL, OPT_PUBLISH_LIMIT },
	{ "delivery-limit", required_argument, NULL, OPT_DELIVERY_LIMIT },
	{ "api-limit", required_argument, NULL, OPT_API_LIMIT },
	{ "client-limit", required_argument, NULL, OPT_CLIENT_LIMIT },
	{ "fetch-rate", required_argument, NULL, OPT_FETCH_RATE },
	{ "zero-credit", required_argument, NULL, OPT_ZERO_CREDIT },
	{ "publish-idle", required_argument, NULL, OPT_PUBLISH_IDLE },
	{ "latest-delay", required_argument, NULL, OPT_LATEST_DELAY },
	{ "commit-interval", required_argument, NULL, OPT_COMMIT_INTERVAL },
	{ "rotate-refresh-tokens", no_argument, NULL, OPT_ROTATE },
	{ "clock-offset", required_argument, NULL, OPT_CLOCK_OFFSET },
	{ "clock-speed", required_argument, NULL, OPT_CLOCK_SPEED },
	{ "managed-slot", required_argument, NULL, OPT_MANAGED_SLOT },
	{ "managed-patience", required_argument, NULL, OPT_MANAGED_PATIENCE },
	{ "salesforce-port", required_argument, NULL, OPT_SALESFORCE_PORT },
	{ "pubsub-port", required_argument, NULL, OPT_PUBSUB_PORT },
	{ "databricks-port", required_argument, NULL, OPT_DATABRICKS_PORT },
	{ "zerobus-port", required_argument, NULL, OPT_ZEROBUS_PORT },
	{ "admin-port", required_argument, NULL, OPT_ADMIN_PORT },
	{ "compare", required_argument, NULL, OPT_COMPARE },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ "help-faults", no_argument, NULL, OPT_HELP_FAULTS },
	{ "man", no_argument, NULL, OPT_MAN },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static int
parse_number(const char *name, const char *s, uint64_t max, uint64_t *out, struct error *e)
{
	char *end;

	errno = 0;
	*out = strtoull(s, &end, 10);
	if (*s < '0' || *s > '9' || *end || errno || *out > max)
		return error_set(e, ERR_USAGE, "--%s \"%s\": must be a number, at most %llu", name, s,
		    (unsigned long long)max);
	return 0;
}

static int
parse_port(const char *name, const char *s, uint16_t *out, struct error *e)
{
	uint64_t n;

	if (parse_number(name, s, 65535, &n, e) != 0)
		return -1;
	*out = (uint16_t)n;
	return 0;
}

static int
parse_duration(const char *name, const char *s, int64_t at_least_ms, int64_t *out, struct error *e)
{
	if (clock_parse_duration(s, out, e) != 0)
		return error_wrap(e, "--%s", name);
	if (*out < at_least_ms)
		return error_set(e, ERR_USAGE, "--%s \"%s\": must be at least %lldms", name, s,
		    (long long)at_least_ms);
	return 0;
}

static int
parse_rate(const char *s, double *out, struct error *e)
{
	char *end;

	*out = strtod(s, &end);
	if (end == s || *end || !(*out >= 0 && *out <= 1000000))
		return error_set(e, ERR_USAGE, "--rate \"%s\": must be from 0 to 1000000", s);
	return 0;
}

static int
parse_speed(const char *name, const char *s, uint32_t *out, struct error *e)
{
	uint64_t n;

	if (parse_number(name, s, 100000, &n, e) != 0)
		return -1;
	if (n == 0)
		return error_set(e, ERR_USAGE, "--%s 0: must be at least 1", name);
	*out = (uint32_t)n;
	return 0;
}

static int
take(struct command_line *c, int option, const char *name, const char *s, struct error *e)
{
	struct emulator_options *o = &c->options;

	switch (option) {
	case OPT_COMPARE:
		c->compare = s;
		return 0;
	case OPT_DIR:
		o->directory = s;
		return *s ? 0 : error_set(e, ERR_USAGE, "--dir: is empty");
	case OPT_OBJECTS:
		o->objects = s;
		return 0;
	case OPT_ADD_FIELD:
	case OPT_DROP_FIELD:
		if (o->field_change_count == EMULATOR_FIELD_CHANGES)
			return error_set(e, ERR_USAGE, "--%s: at most %d fields can be changed", name,
			    EMULATOR_FIELD_CHANGES);
		o->field_changes[o->field_change_count++] =
		    (struct emulator_field_change){ s, option == OPT_DROP_FIELD };
		return 0;
	case OPT_ENRICH:
		o->enrich = s;
		return 0;
	case OPT_FAULTS:
		o->faults_file = s;
		return 0;
	case OPT_SEED:
		return parse_number(name, s, INT64_MAX, &o->seed, e);
	case OPT_EVENTS:
		return parse_number(name, s, 100000000, &o->events, e);
	case OPT_RATE:
		return parse_rate(s, &o->rate, e);
	case OPT_KEEPALIVE:
		return parse_duration(name, s, 10, &o->keepalive_ms, e);
	case OPT_RETENTION:
		return parse_duration(name, s, 1, &o->retention_ms, e);
	case OPT_VISIBILITY:
		return parse_duration(name, s, 0, &o->visibility_delay_ms, e);
	case OPT_WAREHOUSE_START:
		return parse_duration(name, s, 0, &o->warehouse_start_ms, e);
	case OPT_ACK_INTERVAL:
		return parse_duration(name, s, 0, &o->ack_interval_ms, e);
	case OPT_INGEST_RATE:
		return parse_number(name, s, INT32_MAX, &o->ingest_rate, e);
	case OPT_INGEST_OPENS:
		return parse_number(name, s, 1000, &o->ingest_opens, e);
	case OPT_INGEST_IDLE:
		return parse_duration(name, s, 0, &o->ingest_idle_ms, e);
	case OPT_POLL_LAG:
		return parse_duration(name, s, 0, &o->poll_lag_ms, e);
	case OPT_CONNECTION_AGE:
		return parse_duration(name, s, 0, &o->connection_age_ms, e);
	case OPT_SYNCHRONOUS_FULL:
		o->synchronous_full = true;
		return 0;
	case OPT_TOKEN_LIFETIME:
		return parse_duration(name, s, 1, &o->token_lifetime_ms, e);
	case OPT_PUBLISH_LIMIT:
		return parse_number(name, s, INT64_MAX, &o->publish_limit, e);
	case OPT_DELIVERY_LIMIT:
		return parse_number(name, s, INT64_MAX, &o->delivery_limit, e);
	case OPT_API_LIMIT:
		return parse_number(name, s, INT64_MAX, &o->api_limit, e);
	case OPT_CLIENT_LIMIT:
		return parse_number(name, s, INT32_MAX, &o->client_limit, e);
	case OPT_FETCH_RATE:
		return parse_number(name, s, INT32_MAX, &o->fetch_rate, e);
	case OPT_ZERO_CREDIT:
		return parse_duration(name, s, 1, &o->zero_credit_ms, e);
	case OPT_PUBLISH_IDLE:
		return parse_duration(name, s, 1, &o->publish_idle_ms, e);
	case OPT_LATEST_DELAY:
		return parse_duration(name, s, 0, &o->latest_delay_ms, e);
	case OPT_COMMIT_INTERVAL:
		return parse_duration(name, s, 0, &o->commit_interval_ms, e);
	case OPT_TOKEN_ENDS_STREAMS:
		o->token_ends_streams = true;
		return 0;
	case OPT_ROTATE:
		o->rotates_refresh_tokens = true;
		return 0;
	case OPT_CLOCK_OFFSET:
		if (parse_duration(name, s + (*s == '-'), 0, &o->clock_offset_ms, e) != 0)
			return -1;
		if (*s == '-')
			o->clock_offset_ms = -o->clock_offset_ms;
		return 0;
	case OPT_CLOCK_SPEED:
		return parse_speed(name, s, &o->clock_speed, e);
	case OPT_MANAGED_SLOT:
		return parse_duration(name, s, 0, &o->managed_slot_ms, e);
	case OPT_MANAGED_PATIENCE:
		return parse_duration(name, s, 100, &o->managed_patience_ms, e);
	case OPT_SALESFORCE_PORT:
		return parse_port(name, s, &o->salesforce_port, e);
	case OPT_PUBSUB_PORT:
		return parse_port(name, s, &o->pubsub_port, e);
	case OPT_DATABRICKS_PORT:
		return parse_port(name, s, &o->databricks_port, e);
	case OPT_ZEROBUS_PORT:
		return parse_port(name, s, &o->zerobus_port, e);
	case OPT_ADMIN_PORT:
		return parse_port(name, s, &o->admin_port, e);
	default:
		return -1;
	}
}

int
options_parse(struct command_line *c, int argc, char **argv, struct error *e)
{
	int option, which = 0;

	*c = (struct command_line){ .options = { .seed = 1,
					.retention_ms = 72LL * 3600 * 1000,
					.token_lifetime_ms = 3600 * 1000,
					.keepalive_ms = 10000,
					.managed_slot_ms = 900000,
					.managed_patience_ms = 1800000,
					.publish_limit = 250000,
					.delivery_limit = 10000000,
					.api_limit = 15000,
					.client_limit = 1000,
					.zero_credit_ms = 60000,
					.publish_idle_ms = 70000,
					.clock_speed = 1 } };
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:qh", long_options, &which)) != -1) {
		if (option == 'q')
			c->options.quiet = true;
		else if (option == 'h')
			c->help = true;
		else if (option == OPT_HELP_FAULTS)
			c->help_faults = true;
		else if (option == OPT_MAN)
			c->man = true;
		else if (option == OPT_VERSION)
			c->version = true;
		else if (option == '?' || option == ':')
			return error_set(e, ERR_USAGE, option == ':' ? "%s needs a value" : "unknown option %s",
			    argv[optind - 1]);
		else if (take(c, option, long_options[which].name, optarg, e) != 0)
			return -1;
	}
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0)
		return error_set(e, ERR_USAGE, "\"%s\": a command stands behind \"--\"", argv[optind]);
	if (optind < argc)
		c->command = argv + optind;
	return 0;
}
