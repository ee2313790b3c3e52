/*
 * sfzb limits - what is left of the organisation's delivery, publish and API quotas.
 *
 * The vendor's figures lag behind by some minutes.
 */
#include "base/json.h"
#include "cli/output.h"
#include "cli/table.h"
#include "commands/app.h"
#include "commands/list.h"
#include "salesforce/rest.h"

/* Unlimited and unused entitlements are given as 0 of 0: nothing is left of them, and nobody misses it. */
static int
percent_left(const struct salesforce_limit *l)
{
	if (l->max <= 0)
		return 100;
	return l->remaining <= 0 ? 0 : (int)((double)l->remaining * 100 / (double)l->max);
}

static int
print_json(const struct salesforce_limit *limits, size_t count, struct error *e)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		struct json *j = json_object();

		json_set_string(j, "name", limits[i].key);
		json_set_string(j, "meaning", limits[i].words);
		json_set_int64(j, "max", limits[i].max);
		json_set_int64(j, "remaining", limits[i].remaining);
		json_set_int64(j, "used", limits[i].max - limits[i].remaining);
		rc = output_json(j, e);
	}
	return rc;
}

static int
print_table(const struct salesforce_limit *limits, size_t count, struct error *e)
{
	static const struct column columns[] = {{"LIMIT", COLUMN_LEFT}, {"MAX", COLUMN_RIGHT}, {"LEFT", COLUMN_RIGHT},
		{"", COLUMN_RIGHT}, {"OF", COLUMN_LEFT}};
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	int rc;

	for (size_t i = 0; i < count; i++) {
		table_add(t, limits[i].key);
		table_add_format(t, "%lld", (long long)limits[i].max);
		table_add_format(t, "%lld", (long long)limits[i].remaining);
		table_add_format(t, "%d%%", percent_left(&limits[i]));
		table_add(t, limits[i].words);
	}
	rc = table_rows(t) > 0 ? table_print(t, e) : 0;
	table_free(t);
	return rc;
}

static int
run(struct app *app, const void *options, int argc, char **argv, struct error *e)
{
	struct salesforce_limit limits[SALESFORCE_LIMITS_MAX];
	size_t count;

	(void)options;
	(void)argc;
	(void)argv;
	if (salesforce_rest_limits(app->salesforce, true, limits, &count, e) != 0) {
		error_wrap(e, "cannot read the limits");
		if (e->code == ERR_PERMISSION)
			error_hint(e, "reading limits takes the permission 'View Setup and Configuration'");
		return -1;
	}
	return app_outputs(app, "json") ? print_json(limits, count, e) : print_table(limits, count, e);
}

static const struct command_example examples[] = {
	{"sfzb limits", NULL},
	{"sfzb limits | jq 'select(.remaining < .max / 10)'", "what runs out"},
	{NULL, NULL},
};

const struct command command_limits = {
	.name = "limits",
	.summary = "show what is left of the Salesforce quotas",
	.description =
	    "Shows the organisation's allocations for delivered and published events and for API requests, and what is left of "
	    "each. The figures are Salesforce's own and lag by up to five minutes; reading them takes the permission 'View "
	    "Setup and Configuration'.\n\n"
	    "tail and stream look at the same figures when they start and every now and then, and warn when less than a tenth is left, then a "
	    "twentieth, a hundredth and nothing.",
	.examples = examples,
	.outputs = "table|json",
	.piped_output = "json",
	.needs = NEEDS_SALESFORCE,
	.run = run,
};
