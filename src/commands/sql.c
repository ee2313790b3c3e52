/*
 * sfzb sql - run one statement on the SQL warehouse and print its rows.
 *
 * Rows are printed as they are read, so that a large result needs no memory; only the table for people is gathered
 * first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/json_text.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/output.h"
#include "cli/table.h"
#include "commands/list.h"
#include "commands/warehouse.h"

struct sql_options {
	struct option_list parameters;
	const char *warehouse;
	int64_t timeout_ms;
};

static const struct option options[] = {
	OPTION_LIST('p', "parameter", struct sql_options, parameters, "<name[:type]=value>",
	    "value of :name in the statement, of type STRING or another scalar one; without = it is NULL; may be given again"),
	OPTION_STRING(0, "warehouse", struct sql_options, warehouse, "<id>", NULL,
	    "SQL warehouse to use, in place of the login's"),
	OPTION_DURATION(0, "timeout", struct sql_options, timeout_ms, "<time>", "0",
	    "cancel the statement after so long (0: never); a warehouse may take minutes to start"),
	OPTION_END,
};

enum form { FORM_TABLE, FORM_JSON, FORM_CSV, FORM_TSV }; /* in the order of the command's outputs */

struct printer {
	enum form form;
	bool has_header;
	struct buffer line;
	struct error *e;
	int rc;
};

/* Numbers and nested values keep their JSON, everything else is a string. */
static void
append_json_cell(struct buffer *out, const struct sql_column *column, struct text cell)
{
	static const char *const raw[] = {"BYTE", "SHORT", "INT", "LONG", "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN",
		"ARRAY", "MAP", "STRUCT"};
	/* a VARIANT's text is JSON whatever it holds; what is not is taken as text */
	bool is_variant = strcmp(column->type_name, "VARIANT") == 0;
	struct error ignored = ERROR_INIT;
	struct json *parsed = NULL;

	if (cell.data == NULL) {
		buffer_append_text(out, "null");
		return;
	}
	for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]) && parsed == NULL; i++)
		if (is_variant || strcmp(column->type_name, raw[i]) == 0)
			parsed = json_parse(cell, &ignored);
	if (parsed != NULL && (is_variant || !json_is_string(parsed)))
		buffer_append(out, cell.data, cell.len);
	else
		json_text_string(out, cell);
	json_free(parsed);
}

static void
append_csv_cell(struct buffer *out, struct text cell)
{
	bool quoted = cell.len == 0 && cell.data != NULL;

	for (size_t i = 0; i < cell.len; i++)
		quoted |= strchr(",\"\r\n", cell.data[i]) != NULL;
	if (!quoted) {
		buffer_append(out, cell.data, cell.len);
		return;
	}
	buffer_append_byte(out, '"');
	for (size_t i = 0; i < cell.len; i++) {
		if (cell.data[i] == '"')
			buffer_append_byte(out, '"');
		buffer_append_byte(out, (uint8_t)cell.data[i]);
	}
	buffer_append_byte(out, '"');
}

static void
append_tsv_cell(struct buffer *out, struct text cell)
{
	static const char special[] = "\t\n\r\\", letters[] = "tnr\\";

	if (cell.data == NULL)
		buffer_append_text(out, "\\N");
	for (size_t i = 0; i < cell.len; i++) {
		const char *at = memchr(special, cell.data[i], sizeof(special) - 1);

		if (at != NULL)
			buffer_append_format(out, "\\%c", letters[at - special]);
		else
			buffer_append_byte(out, (uint8_t)cell.data[i]);
	}
}

static void
append_cell(struct printer *p, const struct sql_column *column, struct text cell, size_t i)
{
	switch (p->form) {
	case FORM_JSON:
		buffer_append_byte(&p->line, i == 0 ? '{' : ',');
		json_text_string(&p->line, text_of(column->name));
		buffer_append_byte(&p->line, ':');
		append_json_cell(&p->line, column, cell);
		break;
	case FORM_CSV:
		if (i > 0)
			buffer_append_byte(&p->line, ',');
		append_csv_cell(&p->line, cell);
		break;
	default:
		if (i > 0)
			buffer_append_byte(&p->line, '\t');
		append_tsv_cell(&p->line, cell);
	}
}

static int
print_header(struct printer *p, const struct sql_column *columns, size_t count)
{
	p->has_header = true;
	if (p->form != FORM_CSV || count == 0)
		return 0;
	buffer_clear(&p->line);
	for (size_t i = 0; i < count; i++)
		append_cell(p, &columns[i], text_of(columns[i].name), i);
	return output_line(buffer_span(&p->line), p->e);
}

static bool
print_row(void *context, const struct sql_column *columns, const struct text *cells, size_t count)
{
	struct printer *p = context;

	if (!p->has_header)
		p->rc = print_header(p, columns, count);
	buffer_clear(&p->line);
	for (size_t i = 0; i < count; i++)
		append_cell(p, &columns[i], cells[i], i);
	if (p->form == FORM_JSON)
		buffer_append_byte(&p->line, '}');
	if (p->rc == 0)
		p->rc = output_line(buffer_span(&p->line), p->e);
	return p->rc == 0 && !output_gone();
}

static int
print_table(const struct sql_result *r, struct error *e)
{
	struct column *columns = memory_zero(r->column_count, sizeof(*columns));
	struct table *t;
	int rc;

	for (size_t i = 0; i < r->column_count; i++) {
		static const char *const numbers[] = {"BYTE", "SHORT", "INT", "LONG", "FLOAT", "DOUBLE", "DECIMAL"};

		columns[i].title = r->columns[i].name;
		for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
			if (strcmp(r->columns[i].type_name, numbers[k]) == 0)
				columns[i].align = COLUMN_RIGHT;
	}
	t = table_new(columns, r->column_count);
	for (size_t row = 0; row < r->row_count; row++)
		for (size_t i = 0; i < r->column_count; i++) {
			struct text cell = sql_result_cell(r, row, i);
			char *copy = cell.data != NULL ? text_dup(cell) : NULL;

			table_add(t, copy);
			free(copy);
		}
	rc = r->column_count > 0 ? table_print(t, e) : 0;
	table_free(t);
	free(columns);
	return rc;
}

/* "name[:type]=value" in its own copy, whose parts the parameters borrow. */
struct parameters {
	char *texts[OPTION_LIST_MAX];
	struct sql_parameter items[OPTION_LIST_MAX];
	size_t count;
};

static void
parameters_release(struct parameters *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->texts[i]);
}

static int
check_type(const char *type, struct error *e)
{
	static const char *const nested[] = {"ARRAY", "MAP", "STRUCT"};

	for (size_t i = 0; i < sizeof(nested) / sizeof(nested[0]); i++) {
		if (strncasecmp(type, nested[i], strlen(nested[i])) != 0)
			continue;
		error_set(e, ERR_USAGE, "option '--parameter': a parameter cannot be of type %s", type);
		return error_hint(e, "give it as JSON text and write from_json(:name, '%s') in the statement", type);
	}
	return type[0] != '\0' ? 0 : error_set(e, ERR_USAGE, "option '--parameter': the type is empty");
}

/* A name is what a marker in SQL can be: letters, digits, '_', not beginning with a digit. */
static bool
is_name(const char *name)
{
	if (name[0] == '\0' || (name[0] >= '0' && name[0] <= '9'))
		return false;
	for (const char *c = name; *c != '\0'; c++)
		if (*c != '_' && !(*c >= '0' && *c <= '9') && !(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z'))
			return false;
	return true;
}

static int
parse_parameters(struct parameters *p, const struct option_list *given, struct error *e)
{
	for (size_t i = 0; i < given->count; i++) {
		struct sql_parameter *to = &p->items[i];
		char *name = p->texts[p->count++] = memory_strdup(given->items[i]);
		char *equals = strchr(name, '='), *colon;

		if (equals != NULL)
			*equals = '\0';
		colon = strchr(name, ':');
		if (colon != NULL)
			*colon = '\0';
		*to = (struct sql_parameter){.name = name, .value = equals != NULL ? equals + 1 : NULL,
		    .type = colon != NULL ? colon + 1 : NULL};
		if (!is_name(name)) {
			error_set(e, ERR_USAGE, "option '--parameter': '%s' is not name=value or name:TYPE=value", given->items[i]);
			return error_hint(e, "the name is that of a marker :name in the statement");
		}
		for (size_t k = 0; k < i; k++)
			if (strcmp(p->items[k].name, name) == 0)
				return error_set(e, ERR_USAGE, "option '--parameter': '%s' is given twice", name);
		if (to->type != NULL && check_type(to->type, e) != 0)
			return -1;
	}
	return 0;
}

static int
read_input(struct buffer *text, struct error *e)
{
	char chunk[4096];
	ssize_t n;

	while ((n = read(STDIN_FILENO, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(e, ERR_FAILED, errno, "cannot read the statement from standard input");
		buffer_append(text, chunk, (size_t)n);
		if (text->len > LIMIT_SQL_STATEMENT_BYTES)
			return error_set(e, ERR_USAGE, "the statement is longer than %d bytes", LIMIT_SQL_STATEMENT_BYTES);
	}
	return 0;
}

/* The argument, or standard input for "-"; without the semicolon that people are used to. */
static int
take_statement(struct buffer *text, const char *given, struct error *e)
{
	if (strcmp(given, "-") != 0)
		buffer_append_text(text, given);
	else if (read_input(text, e) != 0)
		return -1;
	while (text->len > 0 && memchr(" \t\r\n;", text->data[text->len - 1], 5) != NULL)
		text->len--;
	if (text->len == 0)
		return error_set(e, ERR_USAGE, "the statement is empty");
	if (memchr(text->data, '\0', text->len) != NULL || !text_is_utf8(buffer_span(text)))
		return error_set(e, ERR_USAGE, "the statement is no UTF-8 text");
	return 0;
}

static int
run_and_print(struct app *app, struct sql_statement *s, struct printer *p, struct error *e)
{
	struct sql_result r;
	int rc;

	sql_result_init(&r);
	rc = warehouse_run(app, s, &r, e);
	if (rc == 0)
		rc = p->rc;
	if (rc == 0 && p->form == FORM_TABLE)
		rc = print_table(&r, e);
	else if (rc == 0 && !p->has_header)
		rc = print_header(p, r.columns, r.column_count); /* of no rows */
	if (rc == 0 && r.truncated)
		log_warn("sql", "the server cut the result: there are more rows");
	sql_result_release(&r);
	return rc;
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	const struct sql_options *o = given;
	struct printer p = {.e = e};
	struct sql_statement s = {.deadline_ms = o->timeout_ms, .context = &p};
	struct parameters parameters = {.count = 0};
	struct buffer text = BUFFER_INIT;
	char warehouse_id[WAREHOUSE_ID_SIZE];
	int rc = -1;

	(void)argc;
	if (take_statement(&text, argv[0], e) != 0)
		goto out;
	s.text = buffer_text(&text);
	if (parse_parameters(&parameters, &o->parameters, e) != 0)
		goto out;
	s.parameters = parameters.items;
	s.parameter_count = parameters.count;
	if (o->warehouse != NULL) {
		if (databricks_warehouse_parse(warehouse_id, o->warehouse, e) != 0)
			goto out;
		s.warehouse_id = warehouse_id;
	}
	if (app_open_databricks(app, e) != 0)
		goto out;
	p.form = (enum form)option_choice_index(app->command->outputs, app->output);
	if (p.form != FORM_TABLE)
		s.row = print_row;
	rc = run_and_print(app, &s, &p, e);
out:
	parameters_release(&parameters);
	buffer_release(&p.line);
	buffer_release(&text);
	return rc;
}

static const struct command_example examples[] = {
	{"sfzb sql 'SELECT count(*) FROM main.crm.account'", NULL},
	{"sfzb sql 'SELECT * FROM a.b.c WHERE d = :since' -p since:DATE=2026-11-01", NULL},
	{"sfzb sql -o csv 'SELECT * FROM main.crm.account LIMIT 10' >sample.csv", NULL},
	{"sfzb sql - -p since:DATE=2026-11-01 <report.sql", NULL},
	{NULL, NULL},
};

const struct command command_sql = {
	.name = "sql",
	.summary = "run one statement on the SQL warehouse",
	.arguments = "STATEMENT|-",
	.description =
	    "Runs one statement (-: what standard input holds) and prints its rows: a table on a terminal, one JSON object a line for programs, or "
	    "values separated by commas (with a line of names) or tabs (without). NULL is null in JSON, empty in CSV (an empty "
	    "text is \"\"), \\N between tabs, empty in tables. Values go in by -p, never into the statement's text. A warehouse that is stopped starts by "
	    "itself and is waited for. Ctrl-C cancels the statement at the server.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct sql_options),
	.outputs = "table|json|csv|tsv",
	.piped_output = "json",
	.needs = NEEDS_PROFILE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
