#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/options.h"

enum kind { FLAG, TEXT, NUMBER, DURATION, PORT, OTHER };

struct emulator_option {
	const char *name;
	enum kind kind;
	char letter;   /* of a flag; 0: none */
	size_t offset; /* in struct command_line */
	int64_t least; /* of a duration, in ms */
	uint64_t most; /* of a number */
	int (*take)(struct command_line *c, const char *name, const char *s, struct error *e); /* OTHER */
};

static int
parse_number(const char *name, const char *s, uint64_t most, uint64_t *out, struct error *e)
{
	char *end;

	errno = 0;
	*out = strtoull(s, &end, 10);
	if (*s < '0' || *s > '9' || *end || errno || *out > most)
		return error_set(e, ERR_USAGE, "--%s \"%s\": must be a number, at most %llu", name, s,
		    (unsigned long long)most);
	return 0;
}

static int
parse_duration(const char *name, const char *s, int64_t least_ms, int64_t *out, struct error *e)
{
	if (clock_parse_duration(s, out, e) != 0)
		return error_wrap(e, "--%s", name);
	if (*out < least_ms)
		return error_set(e, ERR_USAGE, "--%s \"%s\": must be at least %lldms", name, s, (long long)least_ms);
	return 0;
}

static int
take_directory(struct command_line *c, const char *name, const char *s, struct error *e)
{
	c->options.directory = s;
	return *s ? 0 : error_set(e, ERR_USAGE, "--%s: is empty", name);
}

static int
take_rate(struct command_line *c, const char *name, const char *s, struct error *e)
{
	double *rate = &c->options.rate;
	char *end;

	*rate = strtod(s, &end);
	if (end == s || *end || !(*rate >= 0 && *rate <= 1000000))
		return error_set(e, ERR_USAGE, "--%s \"%s\": must be from 0 to 1000000", name, s);
	return 0;
}

static int
take_field(struct command_line *c, const char *name, const char *s, struct error *e)
{
	struct emulator_options *o = &c->options;

	if (o->field_change_count == EMULATOR_FIELD_CHANGES)
		return error_set(e, ERR_USAGE, "--%s: at most %d fields can be changed", name, EMULATOR_FIELD_CHANGES);
	o->field_changes[o->field_change_count++] = (struct emulator_field_change){ s, strcmp(name, "drop-field") == 0 };
	return 0;
}

static int
take_clock_offset(struct command_line *c, const char *name, const char *s, struct error *e)
{
	int64_t *offset_ms = &c->options.clock_offset_ms;

	if (parse_duration(name, s + (*s == '-'), 0, offset_ms, e) != 0)
		return -1;
	if (*s == '-')
		*offset_ms = -*offset_ms;
	return 0;
}

static int
take_clock_speed(struct command_line *c, const char *name, const char *s, struct error *e)
{
	uint64_t n;

	if (parse_number(name, s, 100000, &n, e) != 0)
		return -1;
	if (n == 0)
		return error_set(e, ERR_USAGE, "--%s 0: must be at least 1", name);
	c->options.clock_speed = (uint32_t)n;
	return 0;
}

/* Fails to compile when the field has another type. */
#define FIELD(field, wanted) \
	(offsetof(struct command_line, field) + 0 * sizeof(char[_Generic(((struct command_line *)0)->field, wanted: 1)]))
#define OPTION_FLAG(n, l, field) {.name = n, .kind = FLAG, .letter = l, .offset = FIELD(field, bool)}
#define OPTION_TEXT(n, field) {.name = n, .kind = TEXT, .offset = FIELD(field, const char *)}
#define OPTION_NUMBER(n, field, m) {.name = n, .kind = NUMBER, .offset = FIELD(field, uint64_t), .most = m}
#define OPTION_DURATION(n, field, m) {.name = n, .kind = DURATION, .offset = FIELD(field, int64_t), .least = m}
#define OPTION_PORT(n, field) {.name = n, .kind = PORT, .offset = FIELD(field, uint16_t)}
#define OPTION_OTHER(n, f) {.name = n, .kind = OTHER, .take = f}

static const struct emulator_option table[] = {
	OPTION_OTHER("dir", take_directory),
	OPTION_NUMBER("seed", options.seed, INT64_MAX),
	OPTION_NUMBER("events", options.events, 100000000),
	OPTION_OTHER("rate", take_rate),
	OPTION_TEXT("objects", options.objects),
	OPTION_OTHER("add-field", take_field),
	OPTION_OTHER("drop-field", take_field),
	OPTION_TEXT("enrich", options.enrich),
	OPTION_TEXT("faults", options.faults_file),
	OPTION_DURATION("keepalive", options.keepalive_ms, 10),
	OPTION_DURATION("retention", options.retention_ms, 1),
	OPTION_DURATION("visibility-delay", options.visibility_delay_ms, 0),
	OPTION_DURATION("token-lifetime", options.token_lifetime_ms, 1),
	OPTION_DURATION("warehouse-start", options.warehouse_start_ms, 0),
	OPTION_DURATION("ack-interval", options.ack_interval_ms, 0),
	OPTION_NUMBER("ingest-rate", options.ingest_rate, INT32_MAX),
	OPTION_NUMBER("ingest-opens", options.ingest_opens, 1000),
	OPTION_DURATION("ingest-idle", options.ingest_idle_ms, 0),
	OPTION_DURATION("poll-lag", options.poll_lag_ms, 0),
	OPTION_DURATION("connection-age", options.connection_age_ms, 0),
	OPTION_FLAG("synchronous-full", 0, options.synchronous_full),
	OPTION_FLAG("token-ends-streams", 0, options.token_ends_streams),
	OPTION_NUMBER("publish-limit", options.publish_limit, INT64_MAX),
	OPTION_NUMBER("delivery-limit", options.delivery_limit, INT64_MAX),
	OPTION_NUMBER("api-limit", options.api_limit, INT64_MAX),
	OPTION_NUMBER("client-limit", options.client_limit, INT32_MAX),
	OPTION_NUMBER("fetch-rate", options.fetch_rate, INT32_MAX),
	OPTION_DURATION("zero-credit", options.zero_credit_ms, 1),
	OPTION_DURATION("publish-idle", options.publish_idle_ms, 1),
	OPTION_DURATION("latest-delay", options.latest_delay_ms, 0),
	OPTION_DURATION("commit-interval", options.commit_interval_ms, 0),
	OPTION_FLAG("rotate-refresh-tokens", 0, options.rotates_refresh_tokens),
	OPTION_OTHER("clock-offset", take_clock_offset),
	OPTION_OTHER("clock-speed", take_clock_speed),
	OPTION_DURATION("managed-slot", options.managed_slot_ms, 0),
	OPTION_DURATION("managed-patience", options.managed_patience_ms, 100),
	OPTION_PORT("salesforce-port", options.salesforce_port),
	OPTION_PORT("pubsub-port", options.pubsub_port),
	OPTION_PORT("databricks-port", options.databricks_port),
	OPTION_PORT("zerobus-port", options.zerobus_port),
	OPTION_PORT("admin-port", options.admin_port),
	OPTION_TEXT("compare", compare),
	OPTION_FLAG("quiet", 'q', options.quiet),
	OPTION_FLAG("help", 'h', help),
	OPTION_FLAG("help-faults", 0, help_faults),
	OPTION_FLAG("man", 0, man),
	OPTION_FLAG("version", 0, version),
};
#define COUNT (sizeof(table) / sizeof(table[0]))

static int
take(struct command_line *c, const struct emulator_option *o, const char *s, struct error *e)
{
	void *field = (char *)c + o->offset;
	uint64_t port;

	switch (o->kind) {
	case FLAG:
		*(bool *)field = true;
		return 0;
	case TEXT:
		*(const char **)field = s;
		return 0;
	case NUMBER:
		return parse_number(o->name, s, o->most, field, e);
	case DURATION:
		return parse_duration(o->name, s, o->least, field, e);
	case PORT:
		if (parse_number(o->name, s, 65535, &port, e) != 0)
			return -1;
		*(uint16_t *)field = (uint16_t)port;
		return 0;
	case OTHER:
		break;
	}
	return o->take(c, o->name, s, e);
}

/* What getopt says: LONG_FIRST and the place in the table, or a letter. NULL: something is wrong. */
#define LONG_FIRST 256

static const struct emulator_option *
find(int said)
{
	if (said >= LONG_FIRST)
		return &table[said - LONG_FIRST];
	for (size_t i = 0; i < COUNT; i++)
		if (table[i].letter == said)
			return &table[i];
	return NULL;
}

int
options_parse(struct command_line *c, int argc, char **argv, struct error *e)
{
	struct option long_options[COUNT + 1] = { { NULL, 0, NULL, 0 } };
	char letters[COUNT + 3] = "+:";
	int said;

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
	for (size_t i = 0; i < COUNT; i++) {
		long_options[i] = (struct option){ table[i].name, table[i].kind == FLAG ? no_argument : required_argument,
			NULL, LONG_FIRST + (int)i };
		if (table[i].letter != 0)
			letters[strlen(letters)] = table[i].letter;
	}
	opterr = 0;
	while ((said = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		const struct emulator_option *o = find(said);

		if (o == NULL)
			return error_set(e, ERR_USAGE, said == ':' ? "%s needs a value" : "unknown option %s", argv[optind - 1]);
		if (take(c, o, optarg, e) != 0)
			return -1;
	}
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0)
		return error_set(e, ERR_USAGE, "\"%s\": a command stands behind \"--\"", argv[optind]);
	if (optind < argc)
		c->command = argv + optind;
	return 0;
}
