/*
 * sfzb-emulator - a local Salesforce and Databricks on loopback, for trying sfzb out and for its tests.
 *
 * Opens the parts, writes the profile `emulator`, then waits for a signal or runs one command. Holds no
 * knowledge of what the parts serve.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/version.h"
#include "emulator/admin.h"
#include "emulator/compare.h"
#include "emulator/emulator_profile.h"
#include "emulator/files.h"
#include "emulator/options.h"
#include "emulator/parts.h"

static const struct part *const all_parts[] = { &part_salesforce, &part_databricks };

#define PART_COUNT (sizeof all_parts / sizeof *all_parts)

struct emulated_clock {
	struct clock clock;
	int64_t start_ms, offset_ms;
	uint32_t speed;
};

struct run {
	struct emulator em;
	struct emulated_clock clock;
	struct open_part parts[PART_COUNT];
	size_t count;
	struct admin *admin;
	struct emulator_profile *profile;
	int lock; /* of the state directory */
	sigset_t signals;
};

static void
ask_to_stop(void)
{
	kill(getpid(), SIGTERM);
}

/* --- opening -------------------------------------------------------------------------------------- */

static int
open_directory(struct run *r, struct error *e)
{
	const char *given = r->em.options->directory, *base = getenv("TMPDIR");
	char *template = memory_format("%s/sfzb-emulator.XXXXXX", base && *base ? base : "/tmp");

	if (given) {
		free(template);
		if (file_make_directories(given, e) != 0)
			return -1;
		r->em.directory = realpath(given, NULL);
	} else {
		r->em.directory = mkdtemp(template);
		if (!r->em.directory)
			free(template);
	}
	if (!r->em.directory)
		return error_set_errno(e, ERR_FAILED, errno, "cannot make the directory \"%s\"",
		    given ? given : "sfzb-emulator.XXXXXX");
	r->lock = open(r->em.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->lock < 0 || flock(r->lock, LOCK_EX | LOCK_NB) != 0)
		return error_set(e, ERR_CONFIG, "another emulator uses \"%s\"", r->em.directory);
	return 0;
}

static int
open_parts(struct run *r, struct error *e)
{
	for (; r->count < PART_COUNT; r->count++) {
		struct open_part *p = &r->parts[r->count];

		p->part = all_parts[r->count];
		p->self = p->part->open(&r->em, e);
		if (!p->self)
			return -1;
	}
	return 0;
}

static int
write_profile(struct run *r, struct error *e)
{
	for (size_t i = 0; i < r->count; i++) {
		struct json *settings = json_object();

		json_set_string(settings, "ca_file", r->em.identity.ca_path);
		if (r->parts[i].part->settings)
			r->parts[i].part->settings(r->parts[i].self, settings);
		if (emulator_profile_store(r->profile, r->parts[i].part->settings_file, settings, e) != 0)
			return -1;
	}
	return 0;
}

static int64_t
emulated_wall(void *context)
{
	const struct emulated_clock *c = context;

	return c->start_ms + (clock_wall_ms(&clock_system) - c->start_ms) * c->speed + c->offset_ms;
}

static int
open_all(struct run *r, struct error *e)
{
	const struct emulator_options *o = r->em.options;

	r->clock = (struct emulated_clock){ .start_ms = clock_wall_ms(&clock_system),
		.speed = r->em.options->clock_speed,
		.offset_ms = r->em.options->clock_offset_ms,
		.clock = { .monotonic_ms = clock_system.monotonic_ms, .wall_ms = emulated_wall, .context = &r->clock } };
	r->em.clock = &r->clock.clock;
	r->em.faults = faults_new(o->seed);
	if (o->faults_file && faults_load_file(r->em.faults, o->faults_file, e) != 0)
		return -1;
	if (open_directory(r, e) != 0 ||
	    tls_identity_open(&r->em.identity, r->em.directory, clock_wall_ms(&clock_system), e) != 0)
		return -1;
	r->profile = emulator_profile_open(r->em.directory, o->directory != NULL, e);
	if (!r->profile || open_parts(r, e) != 0)
		return -1;
	r->admin = admin_open(&r->em, r->parts, r->count, ask_to_stop, e);
	return r->admin ? write_profile(r, e) : -1;
}

static void
close_all(struct run *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->parts[i].part->end)
			r->parts[i].part->end(r->parts[i].self);
	admin_close(r->admin);
	while (r->count > 0) {
		r->count--;
		r->parts[r->count].part->close(r->parts[r->count].self);
	}
	emulator_profile_close(r->profile);
	tls_identity_release(&r->em.identity);
	faults_free(r->em.faults);
	if (r->em.directory && !r->em.options->directory)
		file_remove_tree(r->em.directory);
	if (r->lock >= 0)
		close(r->lock);
	free(r->em.directory);
}

/* --- running -------------------------------------------------------------------------------------- */

static void
say_how_to_connect(struct run *r, FILE *to)
{
	struct buffer text = BUFFER_INIT;

	for (size_t i = 0; i < r->count; i++)
		if (r->parts[i].part->describe)
			r->parts[i].part->describe(r->parts[i].self, &text);
	buffer_append_format(&text, "  admin          http://127.0.0.1:%u\n", admin_port(r->admin));
	buffer_append_format(&text, "  authority      %s\n", r->em.identity.ca_path);
	buffer_append_format(&text, "  profile        %s\n", emulator_profile_directory(r->profile));
	buffer_append_text(&text, "\n  sfzb --profile emulator topics\n\nready\n");
	fputs(buffer_text(&text), to);
	fflush(to);
	buffer_release(&text);
}

static int
serve(struct run *r)
{
	siginfo_t info;
	int signal_number;

	if (!r->em.options->quiet)
		say_how_to_connect(r, stdout);
	do {
		signal_number = sigwaitinfo(&r->signals, &info);
	} while (signal_number != SIGINT && signal_number != SIGTERM && signal_number != SIGHUP);
	return 0;
}

/* What the profile says, for programs that know nothing of profiles: SFZB_EMULATOR_SALESFORCE_CLIENT_ID and so on. */
static void
export_settings(struct run *r)
{
	for (size_t i = 0; i < r->count; i++) {
		struct json *settings = json_object();

		if (r->parts[i].part->settings)
			r->parts[i].part->settings(r->parts[i].self, settings);
		for (const struct json *j = json_first(settings); j; j = json_next(j)) {
			char *name = memory_format("SFZB_EMULATOR_%s_%s", r->parts[i].part->name, json_key(j));

			for (char *c = name; *c; c++)
				*c = (char)toupper((unsigned char)*c);
			if (json_string(j))
				setenv(name, json_string(j), 1);
			free(name);
		}
		json_free(settings);
	}
}

static int
spawn(struct run *r, char **command, pid_t *child, struct error *e)
{
	char url[64];
	int errnum;

	snprintf(url, sizeof url, "http://127.0.0.1:%u", admin_port(r->admin));
	setenv("SFZB_PROFILE", "emulator", 1);
	setenv("SFZB_EMULATOR_ADMIN", url, 1);
	setenv("SFZB_EMULATOR_CA_FILE", r->em.identity.ca_path, 1);
	setenv("SFZB_EMULATOR_DIR", r->em.directory, 1);
	export_settings(r);
	errnum = process_spawn((const char *const *)command, NULL, NULL, 0, child);
	if (errnum)
		return error_set_errno(e, ERR_FAILED, errnum, "cannot run \"%s\"", command[0]);
	return 0;
}

/*
 * Waits for the command. A signal that a process sent to the emulator goes on to the command; one from the
 * terminal does not, because the terminal has sent it to the command as well.
 */
static int
run_command(struct run *r, char **command, struct error *e)
{
	pid_t child;
	int status;

	/* one that came before there was a command to go on to */
	if (emulator_is_interrupted())
		return 128 + sigwaitinfo(&r->signals, NULL);
	if (spawn(r, command, &child, e) != 0)
		return -1;
	while (waitpid(child, &status, WNOHANG) == 0) {
		siginfo_t info;
		int signal_number = sigwaitinfo(&r->signals, &info);

		if (signal_number > 0 && signal_number != SIGCHLD && info.si_code != SI_KERNEL)
			kill(child, signal_number);
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int
print_error(const struct error *e)
{
	fprintf(stderr, "sfzb-emulator: %s\n", e->text);
	if (*e->hint)
		fprintf(stderr, "hint: %s\n", e->hint);
	return error_exit_status(e->code);
}

static int
compare(const struct command_line *line, struct error *e)
{
	struct comparison c;

	if (line->options.directory == NULL)
		return error_set(e, ERR_USAGE, "--compare needs --dir, the directory of an emulator");
	if (compare_run(line->options.directory, line->compare, &c, e) != 0)
		return -1;
	printf("events published %8lld\nrows stored      %8lld\nmissing          %8lld\nduplicates       %8lld\n",
	    (long long)c.published, (long long)c.stored, (long long)c.missing, (long long)c.duplicates);
	if (fflush(stdout) != 0)
		return error_set_errno(e, ERR_FAILED, errno, "cannot write to standard output");
	return c.missing == 0 && c.duplicates == 0 ? 0 : 1;
}

/* Before any thread is made, so that every thread leaves these signals to the main one. */
static void
block_signals(struct run *r)
{
	sigemptyset(&r->signals);
	sigaddset(&r->signals, SIGINT);
	sigaddset(&r->signals, SIGTERM);
	sigaddset(&r->signals, SIGHUP);
	sigaddset(&r->signals, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &r->signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int
main(int argc, char **argv)
{
	struct command_line line;
	struct run run = { .em.options = &line.options, .lock = -1 };
	struct error e = ERROR_INIT;
	int status = -1;

	if (options_parse(&line, argc, argv, &e) != 0)
		return print_error(&e);
	if (line.man) {
		struct buffer page = BUFFER_INIT;

		manual_write(&page);
		fputs(buffer_text(&page), stdout);
		buffer_release(&page);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	if (line.help || line.help_faults || line.version) {
		fputs(line.help	     ? options_help
			: line.version ? "sfzb-emulator " SFZB_VERSION "\n"
				       : faults_help,
		    stdout);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	if (line.compare) {
		status = compare(&line, &e);
		return status >= 0 ? status : print_error(&e);
	}
	block_signals(&run);
	log_set_level(LOG_WARN);
	if (open_all(&run, &e) == 0)
		status = line.command ? run_command(&run, line.command, &e) : serve(&run);
	close_all(&run);
	return status >= 0 ? status : print_error(&e);
}
