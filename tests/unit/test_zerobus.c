/*
 * databricks/zerobus and sink: against a Zerobus server that shares no code with them (tests/tables/zerobus_peer.py),
 * which says in a log what it was sent.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/memory.h"
#include "databricks/sink.h"
#include "databricks/table_layout.h"
#include "rpc/loop.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WAIT_MS 20000

/* The peer, one for all tests. */
static struct {
	pid_t pid;
	int in;
	int port;
	char log[64];
} peer;

static int64_t
fixed_time(void *context)
{
	(void)context;
	return 1767600000123;
}

static const struct clock row_clock = {.monotonic_ms = fixed_time, .wall_ms = fixed_time};

static void
start_peer(int port)
{
	char number[16];
	int in[2], out[2];
	FILE *answer;

	snprintf(number, sizeof(number), "%d", port);
	assert_int_equal(pipe2(in, 02000000), 0); /* O_CLOEXEC */
	assert_int_equal(pipe2(out, 02000000), 0);
	peer.pid = fork();
	if (peer.pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl("/usr/bin/python3", "python3", "tests/tables/zerobus_peer.py", "proto/zerobus.proto", peer.log, number, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	peer.in = in[1];
	answer = fdopen(out[0], "r");
	if (fscanf(answer, "%d", &peer.port) != 1)
		fail_msg("the peer did not start: are python3-grpcio, python3-protobuf and protoc installed?");
	fclose(answer);
}

static void
kill_peer(void)
{
	kill(peer.pid, SIGKILL);
	waitpid(peer.pid, NULL, 0);
	close(peer.in);
}

static int
set_up(void **state)
{
	(void)state;
	strcpy(peer.log, "/tmp/zerobus_peer.XXXXXX");
	close(mkstemp(peer.log));
	start_peer(0);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	kill_peer();
	unlink(peer.log);
	return 0;
}

/* A sink, and what it said. */
struct bench {
	struct loop *loop;
	struct channel *channel;
	struct sink *sink;
	int opened, ended, writable, tokens, found_count;
	int64_t acknowledged, pause_ms;
	bool closing, found[8];
	struct error why, found_why;
	/* the token source */
	bool never_fresh, hold_token;
	enum error_code token_error;
	zerobus_token_done *done;
	void *done_context;
	char table[64];
	bool fresh;
	struct loop_timer timer;
};

static void
give_token(void *context)
{
	struct bench *b = context;
	struct secret token = SECRET_INIT;
	struct error why = ERROR_INIT;
	char text[256];

	snprintf(text, sizeof(text), "token for %s%s", b->table, b->fresh && !b->never_fresh ? " fresh" : "");
	secret_set(&token, text_of(text));
	error_set(&why, b->token_error, "no token today");
	b->done(b->done_context, b->token_error == ERR_OK ? &token : NULL, b->token_error == ERR_OK ? NULL : &why);
	secret_release(&token);
}

static void
get_token(void *context, const char *table, bool fresh, zerobus_token_done *done, void *done_context)
{
	struct bench *b = context;

	b->tokens++;
	snprintf(b->table, sizeof(b->table), "%s", table);
	b->fresh = fresh;
	b->done = done;
	b->done_context = done_context;
	if (b->hold_token)
		return;
	/* now from inside, now later: both are allowed */
	if (b->tokens % 2 == 0)
		give_token(b);
	else
		loop_timer_start(b->loop, &b->timer, 0, give_token, b);
}

static void
on_opened(void *context)
{
	((struct bench *)context)->opened++;
}

static void
on_writable(void *context)
{
	((struct bench *)context)->writable++;
}

static void
on_acknowledged(void *context, int64_t batches)
{
	struct bench *b = context;

	assert_true(batches > b->acknowledged);
	b->acknowledged = batches;
}

static void
on_closing(void *context, int64_t pause_ms)
{
	struct bench *b = context;

	b->closing = true;
	b->pause_ms = pause_ms;
}

static void
on_ended(void *context, const struct error *why)
{
	struct bench *b = context;

	b->ended++;
	b->why = *why;
}

static void
on_found(void *context, const bool *found, size_t count, const struct error *why)
{
	struct bench *b = context;

	b->found_count = (int)count;
	if (found != NULL)
		memcpy(b->found, found, count * sizeof(*found));
	else
		b->found_why = *why;
}

static const struct sink_events events = {.opened = on_opened, .writable = on_writable, .acknowledged = on_acknowledged,
    .closing = on_closing, .ended = on_ended, .found = on_found};

/* main.crm.<name> in a layout; more: further columns as JSON. */
static struct delta_table *
make_table(const char *name, enum layout layout)
{
	struct json *answer = json_object(), *columns = json_array();
	struct error e = ERROR_INIT;
	struct delta_table *t;

	json_set_string(answer, "catalog_name", "main");
	json_set_string(answer, "schema_name", "crm");
	json_set_string(answer, "name", name);
	for (int i = 0; i < EVENT_COLUMN_COUNT; i++) {
		struct json *c = json_object();

		if (event_columns[i].layout <= layout) {
			json_set_string(c, "name", event_columns[i].name);
			json_set_string(c, "type_text", event_columns[i].type);
			json_set_int64(c, "position", i);
			json_add(columns, c);
		} else {
			json_free(c);
		}
	}
	json_set(answer, "columns", columns);
	t = delta_table_parse(answer, &e);
	json_free(answer);
	assert_non_null(t);
	return t;
}

static int find_fake(void *context, const char *table, const struct text *ids, size_t count, bool *found, struct error *e);

static void
bench_init(struct bench *b, const char *table, enum row_format format)
{
	struct error e = ERROR_INIT;
	struct delta_table *t = make_table(table, LAYOUT_FULL);
	char target[64];

	memset(b, 0, sizeof(*b));
	snprintf(target, sizeof(target), "127.0.0.1:%d", peer.port);
	b->loop = loop_new(&clock_system);
	b->channel = channel_new(b->loop, &(struct channel_options){.target = target, .plaintext = true}, &e);
	assert_non_null(b->channel);
	b->sink = table_sink_new(&(struct table_sink_options){.loop = b->loop, .channel = b->channel, .table = t, .format = format,
	    .clock = &row_clock, .token = {get_token, b}, .principal = "app-1", .open_timeout_ms = 1500, .finish_timeout_ms = 300,
	    .lookup = {find_fake, b}}, &e);
	if (b->sink == NULL)
		fail_msg("%s", e.text);
	delta_table_free(t);
}

static void
bench_release(struct bench *b)
{
	table_sink_free(b->sink);
	loop_timer_stop(b->loop, &b->timer);
	while (loop_step(b->loop, 50))
		;
	channel_free(b->channel);
	loop_free(b->loop);
}

#define WAIT_FOR(b, condition)                                                                     \
	do {                                                                                       \
		int64_t until_ = clock_monotonic_ms(&clock_system) + WAIT_MS;                      \
                                                                                                   \
		while (!(condition)) {                                                             \
			loop_step((b)->loop, 100);                                                 \
			if (clock_monotonic_ms(&clock_system) > until_)                            \
				fail_msg("%s:%d: waited in vain for %s (ended: %s)", __FILE__,     \
				    __LINE__, #condition, (b)->why.text);                          \
		}                                                                                  \
	} while (0)

static struct event
make_event(const char *id)
{
	return (struct event){.topic = text_of("/data/AccountChangeEvent"), .id = text_of(id), .schema_id = text_of("s"),
	    .schema_json = text_of("{}"), .record_name = text_of("AccountChangeEvent"), .is_change = true,
	    .entity = text_of("Account"), .commit_number = 9007199254740993, .commit_timestamp_ms = 7, .sequence_number = -2};
}

/* Sends, waiting for room where there is none; not on a stream that ends or closes. */
static void
send_rows(struct bench *b, const struct rows *rows)
{
	int writable = b->writable;

	while (b->ended == 0 && !b->closing && b->sink->ops->send(b->sink, rows) == 0) {
		WAIT_FOR(b, b->writable > writable || b->ended > 0 || b->closing);
		writable = b->writable;
	}
}

/* Sends `batches` batches of `rows` rows each, ids "<stream of the peer's log>-batch-row". Stops when the stream ends. */
static int
send_batches(struct bench *b, int batches, int rows, const char *id_format)
{
	int sent = 0;

	for (int k = 0; k < batches && b->ended == 0 && !b->closing; k++) {
		struct buffer bytes = BUFFER_INIT;
		struct error e = ERROR_INIT;
		size_t ends[64];

		for (int i = 0; i < rows; i++) {
			char id[64];
			struct event event;

			snprintf(id, sizeof(id), id_format, k, i);
			event = make_event(id);
			assert_int_equal(b->sink->ops->encode(b->sink, &event, &bytes, &e), 0);
			ends[i] = bytes.len;
		}
		send_rows(b, &(struct rows){bytes.data, ends, (size_t)rows});
		sent = k + 1;
		buffer_release(&bytes);
	}
	return sent;
}

static void
open_sink(struct bench *b)
{
	b->acknowledged = 0;
	b->ended = b->opened = 0;
	b->closing = false;
	b->sink->ops->open(b->sink, &events, b);
	assert_int_equal(b->opened + b->ended, 0);
	WAIT_FOR(b, b->opened > 0 || b->ended > 0);
}

/* The peer's log: every line, parsed. The caller frees. */
static struct json *
read_log(void)
{
	FILE *f = fopen(peer.log, "r");
	struct json *lines = json_array();
	struct error e = ERROR_INIT;
	char *line = NULL;
	size_t capacity = 0;
	ssize_t len;

	while ((len = getline(&line, &capacity, f)) > 0) {
		struct json *j = json_parse(text_span(line, (size_t)len), &e);

		assert_non_null(j);
		json_add(lines, j);
	}
	free(line);
	fclose(f);
	return lines;
}

/* Rows of a table in the peer's log; out of order or unparsable ones would be missing in the caller's eyes. */
static struct json *
rows_of(const struct json *log, const char *table)
{
	struct json *rows = json_array();
	char full[128];

	snprintf(full, sizeof(full), "main.crm.%s", table);
	for (const struct json *j = json_first(log); j != NULL; j = json_next(j)) {
		const char *event = json_find_string(j, "event"), *of = json_find_string(j, "table");

		if (strcmp(event, "row") == 0 && strcmp(of, full) == 0)
			json_add(rows, json_clone(json_find(j, "row")));
	}
	return rows;
}

static void
test_streams(void **state)
{
	static const struct {
		const char *table;
		int batches, rows;
		int64_t acknowledged; /* -1: any */
		size_t stored;
		enum error_code code;
		const char *text; /* part of the error's */
	} rows[] = {
	    {"t_plain", 5, 3, 5, 15, ERR_OK, NULL},
	    {"t_single", 4, 1, 4, 4, ERR_OK, NULL},
	    {"t_nothing", 0, 0, 0, 0, ERR_OK, NULL},
	    {"t_late", 5, 2, 5, 10, ERR_OK, NULL},
	    {"t_twice", 4, 1, 4, 4, ERR_OK, NULL},
	    {"t_hang", 2, 1, 2, 2, ERR_OK, NULL},
	    {"t_cut", 2, 2, 1, 4, ERR_UNAVAILABLE, "_cut' broke: INTERNAL: cut"},
	    {"t_lost", 3, 2, 0, 6, ERR_UNAVAILABLE, "UNAVAILABLE: lost"},
	    {"t_absent", 1, 1, 0, 1, ERR_UNAVAILABLE, "an acknowledgement without an offset"},
	    {"t_high", 1, 1, 0, 1, ERR_UNAVAILABLE, "an acknowledgement of a batch that was not sent"},
	    {"t_noid", 0, 0, 0, 0, ERR_UNAVAILABLE, "the server named no stream id"},
	    {"t_empty", 0, 0, 0, 0, ERR_UNAVAILABLE, "a message of an unknown kind"},
	    {"t_garbage", 0, 0, 0, 0, ERR_UNAVAILABLE, "a message that cannot be decoded"},
	    {"t_silent", 0, 0, 0, 0, ERR_UNAVAILABLE, "_silent': the server did not answer within 1 s"},
	    {"t_details", 0, 0, 0, 0, ERR_MISFIT,
		"INVALID_ARGUMENT: schema mismatch (COLUMN_MISMATCH; field 'x' is a LONG)"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (int format = ROW_PROTO; format <= ROW_JSON; format++) {
			char table[64];
			struct json *log, *stored;
			struct bench b;

			/* the way is what stands behind the first '_' */
			snprintf(table, sizeof(table), "%c%s", format == ROW_PROTO ? 'p' : 'j', rows[i].table + 1);
			bench_init(&b, table, (enum row_format)format);
			open_sink(&b);
			send_batches(&b, rows[i].batches, rows[i].rows, "w-%d-%d");
			if (rows[i].code == ERR_OK) {
				b.sink->ops->finish(b.sink);
				assert_int_equal(b.ended, 0);
			}
			WAIT_FOR(&b, b.ended > 0);
			assert_int_equal(b.ended, 1);
			if (b.why.code != rows[i].code || b.acknowledged != rows[i].acknowledged ||
			    (rows[i].text != NULL && strstr(b.why.text, rows[i].text) == NULL))
				fail_msg("%s: %s, %ld acknowledged: %s", table, error_name(b.why.code), (long)b.acknowledged, b.why.text);
			log = read_log();
			stored = rows_of(log, table);
			if (json_count(stored) != rows[i].stored)
				fail_msg("%s: %zu rows stored", table, json_count(stored));
			json_free(stored);
			json_free(log);
			bench_release(&b);
		}
	}
}

/* Every status at open: one line of the table each. */
static void
test_statuses(void **state)
{
	static const struct {
		int status;
		enum error_code code;
		const char *hint; /* part of it */
	} rows[] = {{1, ERR_UNAVAILABLE, ""}, {2, ERR_UNAVAILABLE, ""}, {3, ERR_MISFIT, "row tracking"},
	    {4, ERR_UNAVAILABLE, ""}, {5, ERR_NOT_FOUND, "sfzb create-table main.crm.t_status_5 makes it"}, {6, ERR_UNAVAILABLE, ""},
	    {7, ERR_PERMISSION, "GRANT USE CATALOG ON CATALOG `main` TO `app-1`; GRANT USE SCHEMA ON SCHEMA `main`.`crm` TO `app-1`; "
			       "GRANT SELECT, MODIFY ON TABLE `main`.`crm`.`t_status_7` TO `app-1`;"},
	    {8, ERR_OVERLOADED, "quota"}, {9, ERR_UNAVAILABLE, ""}, {10, ERR_UNAVAILABLE, ""}, {11, ERR_FAILED, ""},
	    {12, ERR_MISFIT, "feature or format"}, {13, ERR_UNAVAILABLE, ""}, {14, ERR_UNAVAILABLE, ""}, {15, ERR_UNAVAILABLE, ""},
	    {16, ERR_SESSION, "service principal"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char table[32];
		struct bench b;

		snprintf(table, sizeof(table), "t_status_%d", rows[i].status);
		bench_init(&b, table, ROW_PROTO);
		open_sink(&b);
		WAIT_FOR(&b, b.ended > 0);
		if (b.opened != 0 || b.why.code != rows[i].code || strstr(b.why.hint, rows[i].hint) == NULL)
			fail_msg("status %d: %s: %s\n  hint: %s", rows[i].status, error_name(b.why.code), b.why.text, b.why.hint);
		bench_release(&b);
	}
}

/* The same texts mean other things once a stream is open. */
static void
test_refused_record(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "t_bad", ROW_PROTO);
	open_sink(&b);
	assert_int_equal(send_batches(&b, 2, 2, "good-%d-%d"), 2);
	WAIT_FOR(&b, b.acknowledged == 2);
	send_batches(&b, 1, 1, "bad");
	WAIT_FOR(&b, b.ended > 0);
	assert_int_equal(b.why.code, ERR_REFUSED);
	assert_int_equal(b.acknowledged, 2);
	bench_release(&b);
}

/* A stream that the server lets go when nothing is under way is nobody's error; one with work under way is. */
static void
test_let_go(void **state)
{
	for (int batches = 1; batches <= 2; batches++) {
		struct bench b;

		(void)state;
		bench_init(&b, batches == 1 ? "t_idle" : "t_early", ROW_PROTO);
		open_sink(&b);
		send_batches(&b, batches, 1, "i-%d-%d");
		WAIT_FOR(&b, b.ended > 0);
		assert_int_equal(b.acknowledged, 1);
		assert_int_equal(b.why.code, batches == 1 ? ERR_OK : ERR_UNAVAILABLE);
		bench_release(&b);
	}
}

static void
test_tokens(void **state)
{
	struct bench b;

	(void)state;
	/* a refused token is replaced by a fresh one, once */
	bench_init(&b, "t_once", ROW_PROTO);
	open_sink(&b);
	assert_int_equal(b.opened, 0);
	assert_int_equal(b.why.code, ERR_SESSION);
	open_sink(&b);
	assert_int_equal(b.opened, 1);
	assert_true(b.fresh);
	b.sink->ops->finish(b.sink);
	WAIT_FOR(&b, b.ended > 0);
	assert_int_equal(b.why.code, ERR_OK);
	/* and not asked for afresh again once it worked */
	open_sink(&b);
	assert_false(b.fresh);
	bench_release(&b);

	bench_init(&b, "t_once", ROW_PROTO);
	b.never_fresh = true;
	open_sink(&b);
	assert_int_equal(b.why.code, ERR_SESSION);
	open_sink(&b);
	assert_int_equal(b.why.code, ERR_CREDENTIALS);
	bench_release(&b);

	/* the token's own error passes through, whether it comes at once or later */
	for (int i = 0; i < 2; i++) {
		bench_init(&b, "t_plain", ROW_PROTO);
		b.tokens = i;
		b.token_error = ERR_CREDENTIALS;
		open_sink(&b);
		assert_int_equal(b.ended, 1);
		assert_int_equal(b.why.code, ERR_CREDENTIALS);
		bench_release(&b);
	}

	/* none comes at all */
	bench_init(&b, "t_plain", ROW_PROTO);
	b.hold_token = true;
	open_sink(&b);
	assert_int_equal(b.why.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(b.why.text, "no token came within 1 s"));
	/* late, it is only put away; another stream is not disturbed */
	b.hold_token = false;
	give_token(&b);
	open_sink(&b);
	assert_int_equal(b.opened, 1);
	bench_release(&b);
}

static void
test_close_signal(void **state)
{
	struct json *log, *stored;
	struct bench b;
	int sent;

	(void)state;
	bench_init(&b, "t_close", ROW_PROTO);
	open_sink(&b);
	sent = send_batches(&b, 2, 2, "c-%d-%d");
	WAIT_FOR(&b, b.closing);
	assert_int_equal(b.pause_ms, 250);
	WAIT_FOR(&b, b.acknowledged == sent);
	/* no more is taken, until another stream is open */
	assert_int_equal(b.sink->ops->send(b.sink, &(struct rows){(const uint8_t *)"", (size_t[]){0}, 1}), 0);
	b.sink->ops->finish(b.sink);
	WAIT_FOR(&b, b.ended > 0);
	assert_int_equal(b.why.code, ERR_OK);
	open_sink(&b);
	assert_int_equal(b.opened, 1);
	assert_int_equal(send_batches(&b, 1, 1, "d-%d-%d"), 1);
	WAIT_FOR(&b, b.acknowledged == 1);
	log = read_log();
	stored = rows_of(log, "t_close");
	assert_int_equal(json_count(stored), 5);
	json_free(stored);
	json_free(log);
	bench_release(&b);
}

/* The server dies, comes back, and takes the rest; nobody is listening in between. */
static void
test_cut_connection(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "t_plain2", ROW_PROTO);
	open_sink(&b);
	send_batches(&b, 3, 2, "x-%d-%d");
	WAIT_FOR(&b, b.acknowledged == 3);
	kill_peer();
	WAIT_FOR(&b, b.ended > 0);
	assert_int_equal(b.why.code, ERR_UNAVAILABLE);
	open_sink(&b);
	assert_int_equal(b.opened, 0);
	assert_int_equal(b.why.code, ERR_UNAVAILABLE);
	start_peer(peer.port);
	do
		open_sink(&b);
	while (b.opened == 0);
	send_batches(&b, 2, 2, "y-%d-%d");
	b.sink->ops->finish(b.sink);
	WAIT_FOR(&b, b.ended > 0);
	assert_int_equal(b.why.code, ERR_OK);
	assert_int_equal(b.acknowledged, 2);
	bench_release(&b);
}

static void
test_stopping(void **state)
{
	struct bench b;

	(void)state;
	/* cancel: waiting for a token, while it opens, when it is open */
	for (int when = 0; when < 3; when++) {
		bench_init(&b, when == 1 ? "t_silent" : "t_plain", ROW_PROTO);
		b.hold_token = when == 0;
		b.sink->ops->open(b.sink, &events, &b);
		if (when == 1)
			WAIT_FOR(&b, b.tokens > 0 && !loop_step(b.loop, 50));
		if (when == 2)
			WAIT_FOR(&b, b.opened > 0);
		b.sink->ops->cancel(b.sink);
		assert_int_equal(b.ended, 0);
		WAIT_FOR(&b, b.ended > 0);
		assert_int_equal(b.why.code, ERR_INTERRUPTED);
		if (when == 0)
			give_token(&b);
		bench_release(&b);
		assert_int_equal(b.ended, 1);
	}
	/* and freed in the same places, where no callback may follow */
	for (int when = 0; when < 3; when++) {
		struct sink *sink;

		bench_init(&b, when == 1 ? "t_silent" : "t_plain", ROW_PROTO);
		b.hold_token = when == 0;
		b.sink->ops->open(b.sink, &events, &b);
		if (when == 1)
			WAIT_FOR(&b, b.tokens > 0 && !loop_step(b.loop, 50));
		if (when == 2)
			WAIT_FOR(&b, b.opened > 0);
		sink = b.sink;
		b.sink = NULL;
		table_sink_free(sink);
		if (when == 0)
			give_token(&b);
		bench_release(&b);
		assert_int_equal(b.ended, 0);
	}
}

/* A batch that is too large for one message is refused as a bad one would be, so that the engine halves it. */
static void
test_ceiling(void **state)
{
	char *big = memory_zero(1, 6000000);
	struct buffer bytes = BUFFER_INIT;
	struct event event = make_event("big");
	struct error e = ERROR_INIT;
	struct bench b;
	size_t ends[2];

	(void)state;
	bench_init(&b, "t_plain", ROW_PROTO);
	event.payload = text_span(big, 6000000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(b.sink->ops->encode(b.sink, &event, &bytes, &e), 0);
		ends[i] = bytes.len;
	}
	open_sink(&b);
	send_rows(&b, &(struct rows){bytes.data, ends, 1});
	WAIT_FOR(&b, b.acknowledged == 1);
	send_rows(&b, &(struct rows){bytes.data, ends, 2});
	WAIT_FOR(&b, b.ended > 0);
	assert_int_equal(b.why.code, ERR_REFUSED);
	assert_int_equal(b.acknowledged, 1);
	bench_release(&b);
	buffer_release(&bytes);
	free(big);
}

static void
test_find(void **state)
{
	struct text ids[] = {text_of("stored-1"), text_of("other"), text_of("stored-2")};
	struct bench b;

	(void)state;
	bench_init(&b, "t_plain", ROW_PROTO);
	b.sink->ops->find(b.sink, ids, 3, &events, &b);
	WAIT_FOR(&b, b.found_count == 3);
	assert_true(b.found[0] && !b.found[1] && b.found[2]);
	b.found_count = 0;
	ids[0] = text_of("fail");
	b.sink->ops->find(b.sink, ids, 1, &events, &b);
	WAIT_FOR(&b, b.found_count == 1);
	assert_int_equal(b.found_why.code, ERR_UNAVAILABLE);
	/* freed with the question under way */
	b.sink->ops->find(b.sink, ids, 3, &events, &b);
	bench_release(&b);
	assert_int_equal(b.found_count, 1);
}

/* Two tables on one channel at the same time. */
static void
test_two_sinks(void **state)
{
	struct bench a, b;
	struct sink *own;

	(void)state;
	bench_init(&a, "two_one", ROW_PROTO);
	bench_init(&b, "two_other", ROW_JSON);
	/* b's sink is made anew on a's loop and channel */
	own = b.sink;
	{
		struct delta_table *t = make_table("two_other", LAYOUT_CLASSIC);
		struct error e = ERROR_INIT;

		b.sink = table_sink_new(&(struct table_sink_options){.loop = a.loop, .channel = a.channel, .table = t,
		    .format = ROW_JSON, .clock = &row_clock, .token = {get_token, &b}}, &e);
		assert_non_null(b.sink);
		assert_null(b.sink->ops->find);
		delta_table_free(t);
	}
	b.tokens = 1; /* answer at once: its timer is on another loop */
	a.sink->ops->open(a.sink, &events, &a);
	b.sink->ops->open(b.sink, &events, &b);
	WAIT_FOR(&a, a.opened && b.opened);
	send_batches(&a, 1, 2, "a-%d-%d");
	send_batches(&b, 1, 2, "b-%d-%d");
	WAIT_FOR(&a, a.acknowledged == 1 && b.acknowledged == 1);
	a.sink->ops->finish(a.sink);
	b.sink->ops->finish(b.sink);
	WAIT_FOR(&a, a.ended && b.ended);
	table_sink_free(b.sink);
	b.sink = own;
	bench_release(&b);
	bench_release(&a);
}

/* A row of rows.jsonl as an event; what it borrows is the row's. */
static void
event_of_row(const struct json *row, struct event *event, struct buffer *payload, struct text lists[4][64])
{
	static const char *const names[] = {"record_ids", "changed_fields", "nulled_fields", "diff_fields"};
	struct text_list *const into[] = {&event->record_ids, &event->changed_fields, &event->nulled_fields, &event->diff_fields};
	uint8_t id[LIMIT_REPLAY_ID_BYTES];
	ssize_t len = encode_unhex(text_of(json_find_string(row, "replay_id")), id, sizeof(id));

	*event = make_event(json_find_string(row, "event_id"));
	replay_id_set(&event->replay_id, text_span(id, (size_t)len));
	event->schema_id = text_of(json_find_string(row, "schema_id"));
	event->change_type = text_of(json_find_string(row, "change_type"));
	event->entity = text_of(json_find_string(row, "entity_name"));
	event->change_origin = text_of(json_find_string(row, "change_origin"));
	event->record_json = text_of(json_find_string(row, "record_data_json"));
	event->org_id = text_of(json_find_string(row, "org_id"));
	assert_int_equal(encode_unbase64(text_of(json_find_string(row, "payload_binary")), payload), 0);
	event->payload = buffer_span(payload);
	for (int i = 0; i < 4; i++) {
		size_t n = 0;

		for (const struct json *j = json_first(json_find(row, names[i])); j != NULL && n < 64; j = json_next(j))
			lists[i][n++] = text_of(json_string(j));
		*into[i] = (struct text_list){lists[i], n};
	}
}

/* Each column of the expected row against what the peer decoded; an empty list is an absent field. */
static void
compare_rows(const struct json *want, const struct json *is)
{
	for (const struct json *j = json_first(want); j != NULL; j = json_next(j)) {
		const struct json *value = json_find(is, json_key(j));
		struct buffer a = BUFFER_INIT, b = BUFFER_INIT;

		if (json_is_null(j) || (json_is_array(j) && json_count(j) == 0 && value == NULL))
			continue;
		json_write(&a, j, false);
		if (value != NULL)
			json_write(&b, value, false);
		if (strcmp(buffer_text(&a), buffer_text(&b)) != 0)
			fail_msg("%s, %s:\n  is  %s\n  not %s", json_find_string(want, "event_id"), json_key(j), buffer_text(&b), buffer_text(&a));
		buffer_release(&a);
		buffer_release(&b);
	}
	assert_int_equal(json_find_int64(is, "timestamp", 0), 7);
	assert_int_equal(json_find_int64(is, "processed_timestamp", 0), 1767600000123);
	assert_int_equal(json_find_int64(is, "commit_timestamp", 0), 7000);
	assert_int_equal(json_find_int64(is, "sequence_number", 0), -2);
	assert_string_equal(json_find_string(is, "topic"), "/data/AccountChangeEvent");
}

static struct json *
read_rows(void)
{
	FILE *f = fopen("tests/data/rows.jsonl", "r");
	struct json *rows = json_array();
	struct error e = ERROR_INIT;
	char *line = NULL;
	size_t capacity = 0;
	ssize_t len;

	assert_non_null(f);
	while ((len = getline(&line, &capacity, f)) > 0) {
		struct json *j = json_parse(text_span(line, (size_t)len), &e);

		json_add(rows, json_clone(json_find(j, "row")));
		json_free(j);
	}
	free(line);
	fclose(f);
	assert_true(json_count(rows) >= 10);
	return rows;
}

/* The Python project's rows arrive as they are, decoded by the descriptor that was sent. */
static void
test_reference_rows(void **state)
{
	struct json *rows = read_rows();

	(void)state;
	for (int format = ROW_PROTO; format <= ROW_JSON; format++) {
		const char *table = format == ROW_PROTO ? "rows_proto" : "rows_json";
		struct json *log, *stored;
		const struct json *is, *want;
		struct bench b;
		int64_t sent = 0;

		bench_init(&b, table, (enum row_format)format);
		open_sink(&b);
		for (want = json_first(rows); want != NULL; want = json_next(want)) {
			struct buffer bytes = BUFFER_INIT, payload = BUFFER_INIT;
			struct error e = ERROR_INIT;
			struct text lists[4][64];
			struct event event;

			event_of_row(want, &event, &payload, lists);
			assert_int_equal(b.sink->ops->encode(b.sink, &event, &bytes, &e), 0);
			send_rows(&b, &(struct rows){bytes.data, &bytes.len, 1});
			sent++;
			WAIT_FOR(&b, b.acknowledged == sent);
			buffer_release(&bytes);
			buffer_release(&payload);
		}
		b.sink->ops->finish(b.sink);
		WAIT_FOR(&b, b.ended > 0);
		assert_int_equal(b.why.code, ERR_OK);
		log = read_log();
		stored = rows_of(log, table);
		assert_int_equal(json_count(stored), json_count(rows));
		for (want = json_first(rows), is = json_first(stored); want != NULL; want = json_next(want), is = json_next(is))
			compare_rows(want, is);
		json_free(stored);
		json_free(log);
		bench_release(&b);
	}
	json_free(rows);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_streams), cmocka_unit_test(test_statuses),
	    cmocka_unit_test(test_refused_record), cmocka_unit_test(test_let_go), cmocka_unit_test(test_tokens), cmocka_unit_test(test_close_signal),
	    cmocka_unit_test(test_cut_connection), cmocka_unit_test(test_stopping), cmocka_unit_test(test_ceiling),
	    cmocka_unit_test(test_find), cmocka_unit_test(test_two_sinks), cmocka_unit_test(test_reference_rows)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

static int
find_fake(void *context, const char *table, const struct text *ids, size_t count, bool *found, struct error *e)
{
	(void)context;
	if (count > 0 && text_is(ids[0], "fail"))
		return error_set(e, ERR_UNAVAILABLE, "no answer about %s", table);
	for (size_t i = 0; i < count; i++)
		found[i] = text_starts(ids[i], "stored");
	return 0;
}
