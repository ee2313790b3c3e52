#include "cli/man.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/roff.h"
#include "base/version.h"
#include "cli/help.h"

static void
append_text(struct buffer *out, const char *s)
{
	roff_append(out, text_of(s));
}

static void
append_header(struct buffer *out, const char *name, const char *title)
{
	buffer_append_text(out, ".\\\" Made by 'make docs' from the program's own tables.\n.TH ");
	for (; *title != '\0'; title++) {
		char upper = (char)toupper((unsigned char)*title);
		roff_append(out, text_span(&upper, 1));
	}
	buffer_append_format(out, " 1 \"\" \"sfzb %s\" \"sfzb manual\"\n.SH NAME\n", SFZB_VERSION);
	append_text(out, name);
	buffer_append_text(out, " \\- ");
}

static void
append_paragraphs(struct buffer *out, const char *text)
{
	bool first = true;

	while (*text != '\0') {
		const char *end = strstr(text, "\n\n");
		size_t len = end != NULL ? (size_t)(end - text) : strlen(text);

		if (!first)
			buffer_append_text(out, ".PP\n");
		roff_append(out, text_span(text, len));
		buffer_append_byte(out, '\n');
		first = false;
		text += len;
		while (*text == '\n')
			text++;
	}
}

/* "<name>" is set in italics, without the brackets. */
static void
append_argument(struct buffer *out, const char *argument)
{
	for (const char *at = argument; *at != '\0'; at++) {
		if (*at == '<')
			buffer_append_text(out, "\\fI");
		else if (*at == '>')
			buffer_append_text(out, "\\fR");
		else
			roff_append(out, text_span(at, 1));
	}
}

static void
append_option(struct buffer *out, const struct command *command, const struct option *o)
{
	struct buffer text = BUFFER_INIT;

	buffer_append_text(out, ".TP\n");
	if (o->letter != 0)
		buffer_append_format(out, "\\fB\\-%c\\fR, ", o->letter);
	buffer_append_text(out, "\\fB\\-\\-");
	if (option_is_negative(o))
		buffer_append_text(out, "no\\-");
	append_text(out, o->name);
	buffer_append_text(out, "\\fR");
	if (option_takes_value(o)) {
		buffer_append_byte(out, ' ');
		append_argument(out, o->argument);
	}
	buffer_append_byte(out, '\n');
	if (command != NULL && o == &common_options[1])
		help_output_text(&text, command);
	else
		help_option_text(&text, o);
	roff_append(out, buffer_span(&text));
	buffer_append_byte(out, '\n');
	buffer_release(&text);
}

static void
append_exit_status(struct buffer *out)
{
	static const struct {
		int status;
		const char *words;
	} rows[] = {
#define X(name, status, disposition, words) {status, words},
		ERROR_CODES(X)
#undef X
	};
	size_t count = sizeof(rows) / sizeof(rows[0]);
	int last = -1;

	buffer_append_text(out, ".SH EXIT STATUS\n");
	for (size_t i = 0; i < count; i++) {
		if (rows[i].status == last) {
			/* the same status again: one entry, its words one behind the other */
			out->len--;
			buffer_append_text(out, "; ");
		} else {
			buffer_append_format(out, ".TP\n\\fB%d\\fR\n", rows[i].status);
		}
		append_text(out, rows[i].words);
		buffer_append_byte(out, '\n');
		last = rows[i].status;
	}
	buffer_append_text(out,
	    ".PP\n130 and 143 mean that SIGINT or SIGTERM ended the program. Not so stream and tail, which go on until "
	    "they are told to stop: the first one ends them with 0, as soon as what is in flight is stored. ingest, publish "
	    "and dead\\-letters retry then send no more and wait for the answers, and end with 0 when nothing was left to send. "
	    "A second one cuts the wait short.\n");
}

static void
append_environment(struct buffer *out)
{
	buffer_append_text(out, ".SH ENVIRONMENT\n");
	for (const struct help_variable *v = help_variables; v->name != NULL; v++)
		man_item(out, v->name, v->text);
}

/* The variables of the logins, which fill a page alone. */
static void
append_login_environment(struct buffer *out)
{
	man_section(out, "ENVIRONMENT OF THE LOGINS");
	append_paragraphs(out,
	    "With these no stored login is needed. Where the environment holds a secret of one side, none of the profile is used "
	    "for that side.");
	for (const struct help_variable *v = help_login_variables; v->name != NULL; v++)
		man_item(out, v->name, v->text);
}

void
man_section(struct buffer *man, const char *title)
{
	buffer_append_text(man, ".SH ");
	append_text(man, title);
	buffer_append_byte(man, '\n');
}

void
man_paragraphs(struct buffer *man, const char *text)
{
	size_t line = man->len > 0 ? man->len - 1 : 0;

	while (line > 0 && man->data[line - 1] != '\n')
		line--;
	if (!text_starts(text_span((const char *)man->data + line, man->len - line), ".SH "))
		buffer_append_text(man, ".PP\n");
	append_paragraphs(man, text);
}

void
man_item(struct buffer *man, const char *name, const char *text)
{
	buffer_append_text(man, ".TP\n.B ");
	append_text(man, name);
	buffer_append_byte(man, '\n');
	append_text(man, text);
	buffer_append_byte(man, '\n');
}

void
man_lines(struct buffer *man, const char *lines)
{
	buffer_append_text(man, ".RS 4\n.nf\n");
	append_text(man, lines);
	buffer_append_text(man, "\n.fi\n.RE\n");
}

void
man_command(struct buffer *out, const struct command *command)
{
	char name[64];

	snprintf(name, sizeof(name), "sfzb-%s", command->name);
	append_header(out, name, name);
	append_text(out, command->summary);
	buffer_append_text(out, "\n.SH SYNOPSIS\n\\fBsfzb ");
	append_text(out, command->name);
	buffer_append_text(out, command->passes_arguments ? "\\fR" : "\\fR [options]");
	if (command->arguments != NULL) {
		buffer_append_byte(out, ' ');
		append_argument(out, command->arguments);
	}
	buffer_append_text(out, "\n.SH DESCRIPTION\n");
	append_paragraphs(out, command->description);
	if (command->options != NULL && command->options->kind != OPTION_KIND_END) {
		buffer_append_text(out, ".SH OPTIONS\n");
		for (const struct option *o = command->options; o->kind != OPTION_KIND_END; o++)
			append_option(out, command, o);
	}
	if (!command->passes_arguments) {
		buffer_append_text(out, ".SH OPTIONS OF EVERY COMMAND\n");
		for (const struct option *o = common_options; o->kind != OPTION_KIND_END; o++)
			append_option(out, command, o);
	}
	if (command->examples != NULL)
		buffer_append_text(out, ".SH EXAMPLES\n");
	for (const struct command_example *x = command->examples; x != NULL && x->line != NULL; x++) {
		if (x != command->examples)
			buffer_append_text(out, ".PP\n");
		if (x->text != NULL) {
			append_text(out, x->text);
			buffer_append_text(out, ":\n");
		}
		buffer_append_text(out, ".RS 4\n.nf\n");
		append_text(out, x->line);
		buffer_append_text(out, "\n.fi\n.RE\n");
	}
	if (command->manual != NULL)
		command->manual(out);
	append_environment(out);
	append_exit_status(out);
	buffer_append_text(out, ".SH SEE ALSO\n.BR sfzb (1)\n");
}

void
man_overview(struct buffer *out, const struct command *const *list)
{
	append_header(out, "sfzb", "sfzb");
	append_text(out, "stream Salesforce change events into Databricks Delta tables");
	buffer_append_text(out,
	    "\n.SH SYNOPSIS\n\\fBsfzb\\fR [\\fB\\-\\-profile\\fR \\fIname\\fR] \\fIcommand\\fR [options] "
	    "[arguments]\n.br\n\\fBsfzb \\-\\-version\\fR\n.SH DESCRIPTION\n");
	append_paragraphs(out,
	    "sfzb subscribes to change events and platform events of a Salesforce org over the Pub/Sub API, "
	    "decodes them, and stores them in Delta tables over Zerobus ingest. It stores a position only when "
	    "every event up to it is durable, so that it can be stopped at any moment: the next run goes on. "
	    "What was in flight is looked up in the table before it is sent again.\n\n"
	    "Data, and nothing else, goes to standard output: tables and lines for people on a terminal, "
	    "one JSON object a line for programs. Messages go to standard error. The names in the JSON stay; a program passes over "
	    "those that it does not know, for there may be more one day. A table that is wider than the terminal leaves columns "
	    "out, or shows a cell a line.\n\n"
	    "A topic may be given whole, as /data/AccountChangeEvent or /event/Order__e, or short, as Account, "
	    "AccountChangeEvent, Invoice__c, Order__e, Mine__chn or ChangeEvents.");
	buffer_append_text(out, ".SH COMMANDS\n");
	for (; *list != NULL; list++)
		if (!(*list)->hidden) {
			buffer_append_text(out, ".TP\n.BR sfzb\\-");
			append_text(out, (*list)->name);
			buffer_append_text(out, " (1)\n");
			append_text(out, (*list)->summary);
			buffer_append_byte(out, '\n');
		}
	buffer_append_text(out, ".SH OPTIONS OF EVERY COMMAND\n");
	for (const struct option *o = common_options; o->kind != OPTION_KIND_END; o++)
		append_option(out, NULL, o);
	append_environment(out);
	append_login_environment(out);
	buffer_append_text(out, ".SH FILES\n");
	append_paragraphs(out,
	    "A profile is the directory profiles/NAME under SFZB_HOME (otherwise under sfzb in XDG_CONFIG_HOME or "
	    "~/.config). It holds salesforce.json and databricks.json (the logins; refused when others can read "
	    "them), replay.db (the positions), schemas/ (Avro schemas by id), topics.json (names for completion) "
	    "and dead-letters/ (events set aside).");
	man_section(out, "SECURITY");
	append_paragraphs(out,
	    "Secrets are never taken from the command line, never written to messages or errors, and wiped from memory when they "
	    "are no longer needed. The program leaves no core dump, and other processes of the same user cannot look into its "
	    "memory.\n\n"
	    "The profile's directories are made with mode 0700 and its files with 0600. A file with a login that others can read, "
	    "or that is a symbolic link, is refused. Files are written whole under another name, synced, and renamed.\n\n"
	    "Every connection to a server is TLS with the server's certificate and name checked (HTTP alone is taken for a server on a "
	    "loopback address); there is no option and no "
	    "variable that switches this off, and GRPC_TRACE and SSLKEYLOGFILE, which would write traffic down, are dropped. "
	    "Another authority is trusted with --cacert or SSL_CERT_FILE. The server of --metrics is plain "
	    "HTTP on the loopback address unless another one is given.\n\n"
	    "What a server sends is bounded in size, depth and number before it is kept, and cleaned of control "
	    "characters before it is shown. Events that were set aside are kept in the profile with their data.");
	append_exit_status(out);
}
