/*
 * sfzb: words of the command line → a command → an exit status. The one place that prints an error, and the
 * one exit.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "commands/app.h"
#include "commands/list.h"

/*
 * A closed standard descriptor would be handed to the first file that is opened: /dev/null takes its place. That is done
 * before the constructors of the libraries, one of which opens an eventfd.
 */
static void
hold_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}
__attribute__((section(".preinit_array"), used)) static void (*const first_of_all)(void) = hold_standard_descriptors;

/*
 * Secrets are in this process's memory: it leaves no core dump, and no other process of the same user may look into it
 * (leak checkers must).
 */
static void
hide_memory(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* Libraries end a process that gets no memory or no thread by abort, mostly without a word. */
static void
on_abort(int number)
{
	(void)number;
	terminal_give_up("a part of the program gave up, most likely for want of memory or threads");
}

/* The libraries' own way out may hang, or want memory or threads that there are none of; by then all that counts is done. */
#define CLOSE_SECONDS 10
static const struct error *last_error;

static void
on_alarm(int number)
{
	(void)number;
	terminal_give_up_with(last_error);
}

static void
on_no_memory(const char *why)
{
	(void)why;
	terminal_give_up_with(last_error);
}

static void
close_in_time(struct app *app, const struct error *e)
{
	last_error = e;
	memory_set_last_resort(on_no_memory);
	signal(SIGALRM, on_alarm);
	alarm(CLOSE_SECONDS);
	app_close(app);
	alarm(0);
}

/* Debugging aids of libraries that would write down what goes over the wire: headers with tokens, keys of connections. */
static void
hide_traffic(void)
{
	unsetenv("GRPC_TRACE");
	unsetenv("SSLKEYLOGFILE");
}

static int
print_help(const struct command *command, struct error *e)
{
	struct buffer out = BUFFER_INIT;
	int rc;

	if (command != NULL)
		help_command(&out, command, output_columns());
	else
		help_overview(&out, command_list);
	rc = output_write(buffer_span(&out), e);
	buffer_release(&out);
	return rc;
}

static void
use_common(const struct common_options *common)
{
	output_init((enum color)common->color);
	terminal_init((enum log_format)common->log_format, common->quiet, common->verbose);
}

static int
run_command(const struct command *command, struct common_options *common, int argc, char **argv,
    struct error *e)
{
	void *options = memory_zero(1, command->options_size + 1);
	struct app app = {.command = NULL};
	int operands, parsed, rc = -1;

	parsed = command_parse(command, common, options, argc, argv, &operands, e);
	/* also for the error: it is printed as far as was understood how */
	use_common(common);
	if (parsed != 0)
		goto out;
	if (common->help) {
		rc = print_help(command, e);
		goto out;
	}
	if (app_open(&app, command, common, e) != 0)
		goto out;
	rc = command->run(&app, options, operands, argv, e);
	if (rc != 0 && app_was_stopped(&app, e)) {
		error_clear(e);
		rc = 0;
	}
out:
	if (rc == 0)
		rc = output_flush(e);
	close_in_time(&app, e);
	free(options);
	return rc;
}

/* What stands before any command, besides the options of every one. */
struct own_options {
	bool version;
};
static const struct option own_options[] = {
	OPTION_FLAG(0, "version", struct own_options, version, "print the version"),
	OPTION_END,
};

static int
dispatch(int argc, char **argv, struct error *e)
{
	struct common_options common = {.help = false};
	struct own_options own = {.version = false};
	struct option_group groups[] = {{common_options, &common}, {own_options, &own}};
	const struct command *command;
	int left, parsed;

	use_common(&common);
	if (options_set_defaults(&groups[0], e) != 0)
		return -1;
	parsed = options_parse(groups, 2, OPTIONS_BEFORE_OPERANDS, argc, argv, &left, e);
	use_common(&common);
	if (parsed != 0)
		return -1;
	if (own.version)
		return output_line(text_of("sfzb " SFZB_VERSION), e);
	if (common.help)
		return print_help(NULL, e);
	if (left == 0) {
		error_set(e, ERR_USAGE, "no command given");
		return error_hint(e, "'sfzb help' lists the commands");
	}
	command = command_find(command_list, argv[0], e);
	if (command == NULL)
		return -1;
	return run_command(command, &common, left - 1, argv + 1, e);
}

int
main(int argc, char **argv)
{
	struct error error = ERROR_INIT, late = ERROR_INIT;
	int rc;

	hide_memory();
	hide_traffic();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGABRT, on_abort);
	memory_set_last_resort(terminal_give_up);
	rc = dispatch(argc > 0 ? argc - 1 : 0, argv + (argc > 0), &error);
	terminal_set_status(NULL);
	/* what was found out stays true when its reader has gone or the disk is full */
	if (output_flush(&late) != 0 && rc == 0) {
		error = late;
		rc = -1;
	}
	if (rc == 0)
		return 0;
	terminal_print_error(&error);
	return error_exit_status(error.code);
}
