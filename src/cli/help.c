#include "cli/help.h"

#include <string.h>

#include "base/version.h"
#include "cli/width.h"

#define INDENT 30 /* column where an option's text begins */

const struct help_variable help_variables[] = {
	{"SFZB_HOME", "directory of the profiles; otherwise XDG_CONFIG_HOME/sfzb or ~/.config/sfzb"},
	{"SFZB_PROFILE", "profile to use when --profile is not given"},
	{"SALESFORCE_..., DATABRICKS_..., ARM_...",
	    "the logins, in place of the stored ones: see ENVIRONMENT OF THE LOGINS in sfzb(1)"},
	{"SSL_CERT_FILE", "PEM file of the authorities to trust, when neither --cacert nor the profile names one"},
	{"https_proxy, no_proxy, grpc_proxy", "proxies, as curl and gRPC programs read them"},
	{"NO_COLOR", "no colour, whatever the terminal can do"},
	{NULL, NULL},
};

const struct help_variable help_login_variables[] = {
	{"SALESFORCE_INSTANCE_URL", "My Domain URL of the org"},
	{"SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET", "a login by client credentials"},
	{"SALESFORCE_CLIENT_ID, SALESFORCE_USERNAME, SALESFORCE_PRIVATE_KEY_FILE, SALESFORCE_PRIVATE_KEY_PASSPHRASE",
	    "a login by JWT; the file is PEM, the passphrase only where it is encrypted"},
	{"SALESFORCE_USERNAME, SALESFORCE_PASSWORD",
	    "a login by password: by OAuth where there is a SALESFORCE_CLIENT_ID, else by SOAP"},
	{"SALESFORCE_ACCESS_TOKEN", "a session that another program has opened, as long as it lasts"},
	{"SALESFORCE_CREDENTIAL_HELPER", "command that prints the secret, as --credential-helper of sfzb-login(1)"},
	{"SALESFORCE_LOGIN_URL",
	    "where to log in by JWT or password when that is not the instance, such as https://test.salesforce.com"},
	{"SALESFORCE_PUBSUB_ENDPOINT", "host:port of the Pub/Sub API (default: api.pubsub.salesforce.com:7443)"},
	{"DATABRICKS_HOST, DATABRICKS_WORKSPACE_URL", "URL of the workspace; the second is another name of the first"},
	{"DATABRICKS_CLIENT_ID, DATABRICKS_CLIENT_SECRET", "a login as a service principal"},
	{"ARM_CLIENT_ID, ARM_CLIENT_SECRET, ARM_TENANT_ID", "a login as a service principal of Microsoft Entra ID"},
	{"DATABRICKS_TOKEN", "a personal access token: for everything but stream and ingest"},
	{"DATABRICKS_AUTH_TYPE", "which one, where there are several: oauth-m2m, azure-client-secret, pat, databricks-cli"},
	{"DATABRICKS_CONFIG_PROFILE, DATABRICKS_CONFIG_FILE",
	    "profile of the Databricks CLI to take the login from, and its file, in place of ~/.databrickscfg"},
	{"DATABRICKS_WAREHOUSE_ID, DATABRICKS_SQL_ENDPOINT",
	    "SQL warehouse to use, by its id or by its HTTP path (default: the one that runs, or the only one)"},
	{"DATABRICKS_INGEST_ENDPOINT, DATABRICKS_WORKSPACE_ID",
	    "Zerobus endpoint, or what it is made from, where it cannot be found out"},
	{NULL, NULL},
};

/* Wraps text at columns; every line but the first begins at indent. The first begins at `at`. */
static void
append_wrapped(struct buffer *out, struct text s, size_t at, size_t indent, size_t columns)
{
	size_t start = 0;
	bool first = true;

	while (start < s.len) {
		size_t end = start, wide;

		while (end < s.len && s.data[end] != ' ' && s.data[end] != '\n')
			end++;
		wide = width_of(text_span(s.data + start, end - start));
		if (!first && at + 1 + wide > columns) {
			buffer_append_format(out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			buffer_append_byte(out, ' ');
			at++;
		}
		buffer_append(out, s.data + start, end - start);
		at += wide;
		first = false;
		start = end + 1;
	}
	buffer_append_byte(out, '\n');
}

void
help_option_text(struct buffer *out, const struct option *o)
{
	buffer_append_text(out, o->help);
	if (option_takes_value(o) && o->default_text != NULL)
		buffer_append_format(out, " (default: %s)", o->default_text);
	if (o->environment != NULL)
		buffer_append_format(out, " [%s]", o->environment);
}

void
help_output_text(struct buffer *out, const struct command *command)
{
	char words[128];

	buffer_append_format(out, "form of the output: %s",
	    option_choice_words(words, sizeof(words), command->outputs));
	if (strchr(command->outputs, '|') == NULL)
		return;
	if (command->piped_output != NULL)
		buffer_append_format(out, " (default: %.*s on a terminal, else %s)",
		    (int)strcspn(command->outputs, "|"), command->outputs, command->piped_output);
	else
		buffer_append_format(out, " (default: %.*s)", (int)strcspn(command->outputs, "|"),
		    command->outputs);
}

static void
append_option(struct buffer *out, const struct command *command, const struct option *o,
    size_t columns)
{
	struct buffer left = BUFFER_INIT, text = BUFFER_INIT;

	if (o->letter != 0)
		buffer_append_format(&left, "  -%c, ", o->letter);
	else
		buffer_append_text(&left, "      ");
	buffer_append_format(&left, "--%s%s", option_is_negative(o) ? "no-" : "", o->name);
	if (option_takes_value(o))
		buffer_append_format(&left, " %s", o->argument);
	if (o == &common_options[1])
		help_output_text(&text, command);
	else
		help_option_text(&text, o);
	buffer_append(out, left.data, left.len);
	if (left.len + 2 > INDENT)
		buffer_append_format(out, "\n%*s", INDENT, "");
	else
		buffer_append_format(out, "%*s", (int)(INDENT - left.len), "");
	append_wrapped(out, buffer_span(&text), INDENT, INDENT, columns);
	buffer_release(&left);
	buffer_release(&text);
}

static void
append_paragraphs(struct buffer *out, const char *text, size_t columns)
{
	while (*text != '\0') {
		const char *end = strstr(text, "\n\n");
		size_t len = end != NULL ? (size_t)(end - text) : strlen(text);

		append_wrapped(out, text_span(text, len), 0, 0, columns);
		buffer_append_byte(out, '\n');
		text += len;
		while (*text == '\n')
			text++;
	}
}

void
help_command(struct buffer *out, const struct command *command, size_t columns)
{
	if (columns < 60 || columns > 100)
		columns = columns < 60 ? 80 : 100;
	buffer_append_format(out, "usage: sfzb %s%s%s%s\n\n", command->name,
	    command->passes_arguments ? "" : " [options]", command->arguments != NULL ? " " : "",
	    command->arguments != NULL ? command->arguments : "");
	append_paragraphs(out, command->description, columns);
	if (command->options != NULL && command->options->kind != OPTION_KIND_END) {
		buffer_append_text(out, "options:\n");
		for (const struct option *o = command->options; o->kind != OPTION_KIND_END; o++)
			append_option(out, command, o, columns);
		buffer_append_byte(out, '\n');
	}
	if (!command->passes_arguments) {
		buffer_append_text(out, "options of every command:\n");
		for (const struct option *o = common_options; o->kind != OPTION_KIND_END; o++)
			append_option(out, command, o, columns);
		buffer_append_byte(out, '\n');
	}
	if (command->examples != NULL)
		buffer_append_text(out, "examples:\n");
	for (const struct command_example *x = command->examples; x != NULL && x->line != NULL; x++) {
		if (x->text != NULL)
			buffer_append_format(out, "  # %s\n", x->text);
		buffer_append_format(out, "  %s\n", x->line);
	}
	if (command->examples != NULL)
		buffer_append_byte(out, '\n');
	if (command->hidden)
		out->len--;
	else
		buffer_append_format(out, "'man sfzb-%s' says more.\n", command->name);
}

void
help_overview(struct buffer *out, const struct command *const *list)
{
	buffer_append_text(out,
	    "usage: sfzb [--profile <name>] <command> [options] [arguments]\n"
	    "       sfzb --version\n\n"
	    "Streams Salesforce change events into Databricks Delta tables: loses none,\n"
	    "stores none twice.\n\ncommands:\n");
	for (; *list != NULL; list++)
		if (!(*list)->hidden)
			buffer_append_format(out, "  %-14s %s\n", (*list)->name, (*list)->summary);
	buffer_append_text(out,
	    "\n'sfzb <command> -h' explains a command, 'man sfzb' the whole.\n"
	    "No org and no workspace at hand? 'sfzb emulator' is both, on this machine.\n");
}
