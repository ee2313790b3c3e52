/*
 * sfzb emulator - a local Salesforce and Databricks on loopback.
 *
 * The servers are a program of their own, sfzb-emulator, so that a streaming sfzb carries no server. This
 * only finds it, as git finds git-foo, and becomes it: every argument is its own.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "commands/app.h"
#include "commands/list.h"

#define PROGRAM "sfzb-emulator"

/* Tries to become the program at directory/below; returns when it is not there. */
static void
try_exec(const char *directory, const char *below, char **argv)
{
	char *path = memory_format("%s/%s" PROGRAM, directory, below);

	execv(path, argv);
	free(path);
}

static int
run(struct app *app, const void *options, int argc, char **argv, struct error *e)
{
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char **args = memory_zero((size_t)argc + 2, sizeof(*args));
	int errnum;

	(void)app;
	(void)options;
	args[0] = (char *)PROGRAM;
	memcpy(args + 1, argv, (size_t)argc * sizeof(*args));
	signal(SIGPIPE, SIG_DFL); /* ours is ignored, and an ignored signal is inherited */
	if (len > 0) {
		char *slash;

		self[len] = '\0';
		slash = strrchr(self, '/');
		*slash = '\0';
		try_exec(self, "", args);
		try_exec(self, "../libexec/sfzb/", args);
	}
	execvp(PROGRAM, args);
	errnum = errno;
	signal(SIGPIPE, SIG_IGN);
	free(args);
	error_set_errno(e, ERR_FAILED, errnum, "cannot start '" PROGRAM "'");
	return error_hint(e, "it is looked for beside sfzb, in ../libexec/sfzb and in PATH");
}

static const struct command_example examples[] = {
	{"sfzb emulator", "serve until Ctrl-C; other terminals use --profile emulator"},
	{"sfzb emulator -- sfzb tail Account --from earliest -n 1", "run one command inside"},
	{"sfzb emulator --events 500 --faults faults.txt -- pytest", "the tests of another client, with an error script"},
	{"sfzb emulator --help", "all of its options"},
	{NULL, NULL},
};

const struct command command_emulator = {
	.name = "emulator",
	.summary = "a local Salesforce and Databricks to try everything against",
	.arguments = "[arguments of sfzb-emulator] [-- COMMAND...]",
	.description =
	    "Serves a small Salesforce org (OAuth, REST, Pub/Sub API) and a Databricks workspace (OAuth, SQL, Unity "
	    "Catalog, Zerobus) on loopback addresses over TLS, and writes a profile 'emulator' that knows "
	    "them. With a command behind '--' it runs that inside, with SFZB_PROFILE=emulator and SFZB_EMULATOR_ADMIN, the URL of "
	    "its admin listener, and ends with its exit status: a test of any client is one line in CI.\n\n"
	    "What goes wrong is yours to say: an error script (--faults, or PUT /faults while it runs), tokens, quotas and "
	    "warehouses that behave as the vendors' do, fields that come and go.\n\n"
	    "The servers are the program sfzb-emulator, which sfzb looks for beside itself, in ../libexec/sfzb and in "
	    "PATH; all arguments go to it, and its --help lists them.",
	.examples = examples,
	.max_operands = -1,
	.passes_arguments = true,
	.run = run,
};
