/*
 * sfzb logout - forget a stored login, and tell the server where it has a way to be told.
 *
 * Positions, schemas and dead letters stay: they are not the login's.
 */
#include <string.h>

#include "base/log.h"
#include "commands/list.h"
#include "commands/login.h"

static const struct {
	const char *name;
	int (*log_out)(struct app *, bool *, struct error *);
} sides[] = {
	{"salesforce", logout_salesforce},
	{"databricks", logout_databricks},
};

static int
run(struct app *app, const void *options, int argc, char **argv, struct error *e)
{
	size_t matched = 0;

	(void)options;
	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
		bool was_known = false;

		if (argc > 0 && strcmp(argv[0], sides[i].name) != 0)
			continue;
		matched++;
		if (sides[i].log_out(app, &was_known, e) != 0)
			return -1;
		log_info("login", was_known ? "logged out of %s" : "not logged in to %s", sides[i].name);
	}
	if (matched > 0)
		return 0;
	error_set(e, ERR_USAGE, "there is nothing to log out of by the name '%s'", argv[0]);
	return error_hint(e, "write salesforce or databricks");
}

static const struct command_example examples[] = {
	{"sfzb logout", NULL},
	{"sfzb --profile test logout salesforce", NULL},
	{NULL, NULL},
};

const struct command command_logout = {
	.name = "logout",
	.summary = "forget a stored login",
	.arguments = "[salesforce|databricks]",
	.description = "Ends the session at the server where that is possible and removes it from the profile, secrets "
		       "included. Stored positions, schemas and dead letters stay.",
	.examples = examples,
	.outputs = "text",
	.needs = NEEDS_PROFILE,
	.max_operands = 1,
	.operand = COMPLETE_WORDS,
	.operand_words = "salesforce|databricks",
	.run = run,
};
