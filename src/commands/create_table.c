/*
 * sfzb create-table - make the target table, show its DDL, or say whether a table fits.
 *
 * Never touches data, and changes a table that exists only when told to (--alter): what is missing is printed as ALTER
 * statements.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/output.h"
#include "commands/list.h"
#include "commands/target.h"

struct create_options {
	const char *comment, *cluster_by;
	struct option_list properties;
	int layout; /* enum layout */
	bool dry_run, check, alter, create_schema;
};

static const struct option options[] = {
	OPTION_CHOICE(0, "layout", struct create_options, layout, "classic|full", "full",
	    "columns: the 16 of the Python project, or these and what it takes to order, merge and deduplicate"),
	OPTION_FLAG('n', "dry-run", struct create_options, dry_run,
	    "print the DDL and do nothing; with --alter the ALTER statements of the table that exists"),
	OPTION_FLAG(0, "check", struct create_options, check,
	    "say whether the table that exists fits, and what it lacks; exit status 4 when it does not"),
	OPTION_FLAG(0, "alter", struct create_options, alter,
	    "add to a table that exists the columns it lacks, and switch off what keeps Zerobus out"),
	OPTION_FLAG(0, "create-schema", struct create_options, create_schema, "make the schema too when it is missing"),
	OPTION_STRING(0, "comment", struct create_options, comment, "<text>", NULL,
	    "of a table that is made, in place of the usual one; empty: none"),
	OPTION_LIST(0, "property", struct create_options, properties, "<key=value,...>",
	    "table properties of a table that is made, besides or in place of the usual ones; may be given again"),
	OPTION_STRING(0, "cluster-by", struct create_options, cluster_by, "<column>", NULL,
	    "not possible for a table that Zerobus writes to; says why"),
	OPTION_END,
};

#define PROPERTIES_MAX 64

/* What a table is made by; the properties are in a copy of their text, both the plan's until plan_release. */
struct plan {
	struct delta_plan plan;
	struct delta_property properties[PROPERTIES_MAX];
	char *texts[OPTION_LIST_MAX];
	size_t text_count;
};

/* "a=b,c=d": a comma parts them where a key and '=' follow, so that a value may hold one. */
static int
parse_properties(struct plan *p, const char *given, struct error *e)
{
	char *at = p->texts[p->text_count++] = memory_strdup(given);

	while (*at != '\0') {
		char *equals = strchr(at, '='), *next, *comma;

		if (equals == NULL || equals == at)
			return error_set(e, ERR_USAGE, "option '--property': '%s' is not key=value", at);
		if (p->plan.property_count == PROPERTIES_MAX)
			return error_set(e, ERR_USAGE, "option '--property': more than %d properties", PROPERTIES_MAX);
		*equals = '\0';
		next = strchr(equals + 1, '=');
		comma = strrchr(equals + 1, ',');
		if (next != NULL) {
			*next = '\0';
			comma = strrchr(equals + 1, ',');
			*next = '=';
		} else {
			comma = NULL;
		}
		p->properties[p->plan.property_count++] = (struct delta_property){at, equals + 1};
		if (comma == NULL)
			break;
		*comma = '\0';
		at = comma + 1;
	}
	p->plan.properties = p->properties;
	return 0;
}

static int
make_plan(struct plan *p, const struct create_options *o, const char *name, struct error *e)
{
	*p = (struct plan){.plan = {.table = name,
			       .layout = o->layout == 0 ? LAYOUT_CLASSIC : LAYOUT_FULL,
			       .column_comments = true,
			       .comment = o->comment}};
	if (o->cluster_by != NULL) {
		error_set(e, ERR_USAGE, "option '--cluster-by': Zerobus opens tables with liquid clustering in a beta only, and "
					"refuses them elsewhere");
		return error_hint(e, "leave it out; a copy of the table that a pipeline makes can be clustered");
	}
	if (o->check && (o->alter || o->dry_run))
		return error_set(e, ERR_USAGE, "--check and --%s exclude each other", o->alter ? "alter" : "dry-run");
	for (size_t i = 0; i < o->properties.count; i++)
		if (parse_properties(p, o->properties.items[i], e) != 0)
			return -1;
	return 0;
}

static int
print_ddl(const struct plan *p, struct error *e)
{
	struct buffer ddl = BUFFER_INIT;
	int rc = delta_create_sql(&ddl, &p->plan, e);

	if (rc == 0) {
		buffer_append_text(&ddl, ";\n");
		rc = output_write(buffer_span(&ddl), e);
	}
	buffer_release(&ddl);
	return rc;
}

/* What --alter would run; of a table that is not there, what would make it. */
static int
print_alters(struct app *app, const struct plan *p, struct error *e)
{
	struct delta_table *t = target_find(app, p->plan.table, e);
	struct buffer alters = BUFFER_INIT;
	int rc;

	if (t == NULL && e->code != ERR_NOT_FOUND)
		return -1;
	if (t == NULL) {
		error_clear(e);
		return print_ddl(p, e);
	}
	delta_alter_sql(&alters, t, p->plan.layout);
	rc = output_write(buffer_span(&alters), e);
	buffer_release(&alters);
	delta_table_free(t);
	return rc;
}

static const char *
severity_word(enum finding_severity s)
{
	return s == SEVERITY_MISFIT ? "misfit" : s == SEVERITY_LACKING ? "lacking" : "note";
}

static int
print_fit_json(const struct delta_table *t, const struct fit *fit, const struct buffer *alters,
    struct error *e)
{
	struct json *root = json_object(), *list = json_array();

	json_set_string(root, "table", t->full_name);
	json_set_bool(root, "fits", fit->misfits == 0);
	for (size_t i = 0; i < fit->count; i++) {
		struct json *f = json_object();

		json_set_string(f, "severity", severity_word(fit->findings[i].severity));
		json_set_string(f, "column", fit->findings[i].column[0] != '\0' ? fit->findings[i].column : NULL);
		json_set_string(f, "text", fit->findings[i].text);
		json_add(list, f);
	}
	json_set(root, "findings", list);
	json_set_text(root, "alter", buffer_span(alters));
	return output_json(root, e);
}

static int
print_fit_text(const struct delta_table *t, const struct fit *fit, const struct buffer *alters,
    struct error *e)
{
	char clean[512];

	if (output_format(e, "table '%s' %s\n", text_clean(clean, sizeof(clean), text_of(t->full_name)),
		fit->misfits > 0     ? "does not fit"
		    : fit->lacking > 0 ? "fits, and could hold more"
				       : "fits") != 0)
		return -1;
	for (size_t i = 0; i < fit->count; i++)
		if (output_format(e, "  %-8s %s\n", severity_word(fit->findings[i].severity),
			text_clean(clean, sizeof(clean), text_of(fit->findings[i].text))) != 0)
			return -1;
	if (alters->len > 0 && output_format(e, "\n" TEXT_FORMAT, TEXT_ARGS(buffer_span(alters))) != 0)
		return -1;
	return output_flush(e);
}

static int
check(struct app *app, const char *name, enum layout layout, struct error *e)
{
	struct delta_table *t = target_find(app, name, e);
	struct buffer alters = BUFFER_INIT;
	struct fit fit = {.count = 0};
	int rc;

	if (t == NULL)
		return -1;
	delta_check(t, layout, &fit);
	delta_alter_sql(&alters, t, layout);
	rc = app_outputs(app, "json") ? print_fit_json(t, &fit, &alters, e)
				      : print_fit_text(t, &fit, &alters, e);
	if (rc == 0)
		rc = fit_error(&fit, t, e);
	fit_release(&fit);
	buffer_release(&alters);
	delta_table_free(t);
	return rc;
}

/* A table that does not fit even then is left as it is. */
static bool
can_be_mended(const struct delta_table *t, enum layout layout)
{
	bool mends = true;
	struct fit fit;

	delta_check(t, layout, &fit);
	for (size_t i = 0; i < fit.count; i++)
		mends = mends && (fit.findings[i].severity != SEVERITY_MISFIT || fit.findings[i].kind == FINDING_EMPTY ||
				     fit.findings[i].kind == FINDING_ROW_TRACKING);
	fit_release(&fit);
	return mends;
}

/* Adds what is missing; the table is then read anew. */
static int
alter(struct app *app, struct delta_table **t, enum layout layout, struct error *e)
{
	char *name = memory_strdup((*t)->full_name);
	struct buffer quoted = BUFFER_INIT;
	int count, rc = target_alter(app, *t, layout, &count, e);

	if (rc == 0 && count > 0) {
		delta_write_table(&quoted, *t);
		delta_table_free(*t);
		*t = target_find(app, buffer_text(&quoted), e);
		rc = *t != NULL ? 0 : -1;
		log_info("create-table", "altered table '%s'", name);
	}
	buffer_release(&quoted);
	free(name);
	return rc;
}

static int
create(struct app *app, const struct create_options *o, const struct plan *p, struct error *e)
{
	const char *name = p->plan.table;
	struct delta_table *t = target_find(app, name, e);
	struct fit fit;
	bool created = false;
	int rc = -1;

	if (t == NULL) {
		if (e->code != ERR_NOT_FOUND)
			return -1;
		error_clear(e);
		if ((o->create_schema && target_create_schema(app, name, e) != 0) ||
		    target_create_planned(app, &p->plan, e) != 0 || (t = target_find(app, name, e)) == NULL)
			return -1;
		log_info("create-table", "created table '%s'", name);
		created = true;
	} else if (o->alter && can_be_mended(t, p->plan.layout) && alter(app, &t, p->plan.layout, e) != 0) {
		delta_table_free(t);
		return -1;
	}
	delta_check(t, p->plan.layout, &fit);
	rc = fit_error(&fit, t, e);
	if (rc == 0 && !created && !o->alter)
		log_info("create-table", "table '%s' is there already%s", t->full_name,
		    fit.lacking > 0 ? "; --check says what it lacks, --alter adds it" : " and fits");
	fit_release(&fit);
	delta_table_free(t);
	return rc;
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	const struct create_options *o = given;
	struct plan plan;
	struct error untold = ERROR_INIT;
	int rc = make_plan(&plan, o, argv[0], e);

	(void)argc;
	if (rc == 0)
		rc = delta_check_name(argv[0], e);
	if (rc == 0 && delta_check_ingest_name(argv[0], &untold) != 0)
		log_warn("create-table", "%s: 'stream' and 'ingest' cannot write to this table", untold.text);
	if (rc == 0 && o->dry_run && !o->alter)
		rc = print_ddl(&plan, e);
	else if (rc == 0 && (rc = app_open_databricks(app, e)) == 0)
		rc = o->check	? check(app, argv[0], plan.plan.layout, e)
		    : o->dry_run ? print_alters(app, &plan, e)
				 : create(app, o, &plan, e);
	for (size_t i = 0; i < plan.text_count; i++)
		free(plan.texts[i]);
	return rc;
}

static const struct command_example examples[] = {
	{"sfzb create-table main.crm.account", NULL},
	{"sfzb create-table main.crm.account --dry-run", "the DDL, for those who run it themselves"},
	{"sfzb create-table main.crm.account --check", "does it fit?"},
	{"sfzb create-table main.crm.account --alter", "add the columns it lacks"},
	{NULL, NULL},
};

const struct command command_create_table = {
	.name = "create-table",
	.summary = "make the target table, or say whether one fits",
	.arguments = "CATALOG.SCHEMA.TABLE",
	.description =
	    "Makes a Delta table with the columns that stream fills. A table that exists is left as it is; --check names "
	    "each column that does not fit and prints the ALTER statements that add what is missing, --alter runs them. "
	    "Rows are never touched.\n\n"
	    "--dry-run needs no login, unless with --alter.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct create_options),
	.outputs = "text|json",
	.needs = NEEDS_PROFILE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
