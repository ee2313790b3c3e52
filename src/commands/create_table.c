/*
 * sfzb create-table - make the target table, show its DDL, or say whether a table fits.
 *
 * Never touches data and never changes a table that exists: what is missing is printed as ALTER statements.
 */
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "cli/output.h"
#include "commands/list.h"
#include "commands/target.h"

struct create_options {
	int layout; /* enum layout */
	bool dry_run, check;
};

static const struct option options[] = {
	OPTION_CHOICE(0, "layout", struct create_options, layout, "classic|full", "full",
	    "columns: the 16 of the Python project, or these and what it takes to order, merge and deduplicate"),
	OPTION_FLAG('n', "dry-run", struct create_options, dry_run, "print the DDL and do nothing"),
	OPTION_FLAG(0, "check", struct create_options, check,
	    "say whether the table that exists fits, and what it lacks; exit status 4 when it does not"),
	OPTION_END,
};

static int
print_ddl(const char *name, enum layout layout, struct error *e)
{
	struct delta_plan plan = {.table = name, .layout = layout, .column_comments = true};
	struct buffer ddl = BUFFER_INIT;
	int rc = delta_create_sql(&ddl, &plan, e);

	if (rc == 0) {
		buffer_append_text(&ddl, ";\n");
		rc = output_write(buffer_span(&ddl), e);
	}
	buffer_release(&ddl);
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
	struct buffer out = BUFFER_INIT;
	int rc;

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
	json_write(&out, root, false);
	rc = output_line(buffer_span(&out), e);
	json_free(root);
	buffer_release(&out);
	return rc;
}

static int
print_fit_text(const struct delta_table *t, const struct fit *fit, const struct buffer *alters,
    struct error *e)
{
	if (output_format(e, "table '%s' %s\n", t->full_name,
		fit->misfits > 0     ? "does not fit"
		    : fit->lacking > 0 ? "fits, and could hold more"
				       : "fits") != 0)
		return -1;
	for (size_t i = 0; i < fit->count; i++)
		if (output_format(e, "  %-8s %s\n", severity_word(fit->findings[i].severity),
			fit->findings[i].text) != 0)
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
		rc = fit_error(&fit, t->full_name, e);
	fit_release(&fit);
	buffer_release(&alters);
	delta_table_free(t);
	return rc;
}

static int
create(struct app *app, const char *name, enum layout layout, struct error *e)
{
	bool created;
	struct delta_table *t = target_ensure(app, name, layout, true, &created, e);
	struct fit fit;
	int rc;

	if (t == NULL)
		return -1;
	delta_check(t, layout, &fit);
	rc = fit_error(&fit, t->full_name, e);
	if (rc == 0 && !created)
		log_info("create-table", "table '%s' is there already%s", t->full_name,
		    fit.lacking > 0 ? "; --check says what it lacks" : " and fits");
	fit_release(&fit);
	delta_table_free(t);
	return rc;
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	const struct create_options *o = given;
	enum layout layout = o->layout == 0 ? LAYOUT_CLASSIC : LAYOUT_FULL;

	(void)argc;
	if (o->dry_run)
		return print_ddl(argv[0], layout, e);
	if (app_open_databricks(app, e) != 0)
		return -1;
	return o->check ? check(app, argv[0], layout, e) : create(app, argv[0], layout, e);
}

static const struct command_example examples[] = {
	{"sfzb create-table main.crm.account", NULL},
	{"sfzb create-table main.crm.account --dry-run", "the DDL, for those who run it themselves"},
	{"sfzb create-table main.crm.account --check", "does it fit?"},
	{NULL, NULL},
};

const struct command command_create_table = {
	.name = "create-table",
	.summary = "make the target table, or say whether one fits",
	.arguments = "CATALOG.SCHEMA.TABLE",
	.description =
	    "Makes a Delta table with the columns that stream fills. A table that exists is left as it is; --check names "
	    "each column that does not fit and prints the ALTER statements that add what is missing.\n\n"
	    "--dry-run needs no login.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct create_options),
	.outputs = "text|json",
	.needs = NEEDS_PROFILE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
