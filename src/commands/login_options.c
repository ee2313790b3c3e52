/* Which options go with which side and which action: what would have no effect is refused, not passed over. */
#include <stddef.h>
#include <string.h>

#include "commands/login.h"

enum { LOG_IN = 1, CHECK = 2 };

static const struct {
	const char *name;
	const char *side; /* NULL: both, so it needs to be said which */
	unsigned with;
	const char *methods;	/* of Salesforce; NULL: all but sf, which knows everything by itself */
	const char *databricks; /* of Databricks; NULL: all */
} rules[] = {
	{"method", NULL, LOG_IN, NULL, NULL},
	{"host", NULL, LOG_IN, NULL, NULL},
	{"client-id", NULL, LOG_IN, NULL, "browser|client-credentials"},
	{"username", "salesforce", LOG_IN, "jwt|password|soap", NULL},
	{"key-file", "salesforce", LOG_IN, "jwt", NULL},
	{"from-sf", "salesforce", LOG_IN, "sf", NULL},
	{"config-profile", "databricks", LOG_IN | CHECK, NULL, NULL},
	{"credential-helper", NULL, LOG_IN, "client-credentials|jwt|password|soap|access-token", "client-credentials|access-token"},
	{"redirect-url", NULL, LOG_IN, "browser", "browser"},
	{"no-browser", NULL, LOG_IN, "browser", "browser"},
	{"topic", "salesforce", CHECK, NULL, NULL},
	{"table", "databricks", LOG_IN | CHECK, NULL, NULL},
	{"endpoint", NULL, LOG_IN, "browser|client-credentials|jwt|password|soap|access-token|sf", NULL},
	{"warehouse", "databricks", LOG_IN, NULL, NULL},
	{"stdin", NULL, LOG_IN, NULL, "browser|client-credentials|access-token"},
};

static bool
is_given(const struct option *option, const struct login_options *o)
{
	const char *field = (const char *)o + option->offset;

	if (option->kind == OPTION_KIND_FLAG)
		return *(const bool *)field;
	/* a default is the table's own text */
	return *(const char *const *)field != option->default_text;
}

/* false: the method in use has no use for it. Without a method on the command line only browser is known not to be meant. */
static bool
fits_method(const char *methods, const struct login_options *o)
{
	const char *method = o->from_sf != NULL ? "sf" : o->method;

	if (method == NULL)
		return methods == NULL || strcmp(methods, "browser") != 0;
	if (methods == NULL)
		return strcmp(method, "sf") != 0;
	return option_choice_index(methods, method) >= 0;
}

static bool
fits_databricks(const char *methods, const struct login_options *o)
{
	if (methods == NULL)
		return true;
	return o->method == NULL ? strcmp(methods, "browser") != 0 : option_choice_index(methods, o->method) >= 0;
}

static int
refuse(size_t i, const char *side, const struct login_options *o, struct error *e)
{
	const char *name = rules[i].name;

	if (side != NULL && rules[i].side != NULL && strcmp(rules[i].side, side) != 0)
		return error_set(e, ERR_USAGE, "option '--%s' is for 'sfzb login %s', not for %s", name, rules[i].side, side);
	if (!(rules[i].with & (o->check ? CHECK : o->status ? 0 : LOG_IN)))
		return error_set(e, ERR_USAGE, rules[i].with == CHECK ? "option '--%s' goes with --check only"
								     : "option '--%s' has no effect with --%s",
		    name, o->check ? "check" : "status");
	if (side == NULL && rules[i].side == NULL) {
		error_set(e, ERR_USAGE, "option '--%s' needs to know which side it is for", name);
		return error_hint(e, "write 'sfzb login salesforce --%s ...' or 'sfzb login databricks --%s ...'", name, name);
	}
	if (side == NULL || o->status || o->check ||
	    (strcmp(side, "salesforce") == 0 ? fits_method(rules[i].methods, o) : fits_databricks(rules[i].databricks, o)))
		return 0;
	if (o->from_sf != NULL)
		return error_set(e, ERR_USAGE, "option '--%s' has no effect with --from-sf", name);
	return error_set(e, ERR_USAGE, o->method != NULL ? "option '--%s' has no effect with --method %s"
							 : "option '--%s' goes with --method browser", name, o->method);
}

int
login_check_options(const struct option *options, const struct login_options *o, const char *side, struct error *e)
{
	if (o->status && o->check)
		return error_set(e, ERR_USAGE, "options '--status' and '--check' do not go together");
	for (const struct option *option = options; option->kind != OPTION_KIND_END; option++)
		for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
			if (strcmp(rules[i].name, option->name) == 0 && is_given(option, o) && refuse(i, side, o, e) != 0)
				return -1;
	return 0;
}
