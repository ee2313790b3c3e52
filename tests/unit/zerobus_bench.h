/*
 * A sink of databricks/ and a Zerobus server that shares no code with it (tests/tables/zerobus_peer.py), which says
 * in a log what it was sent. For the test programs that include it.
 */
#ifndef SFZB_TESTS_ZEROBUS_BENCH_H
#define SFZB_TESTS_ZEROBUS_BENCH_H

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
#define WAIT_MS 60000
#define SHORT_OPEN_MS 1500 /* for servers that never answer: with the others a loaded machine may take its time */
#define SHORT_FINISH_MS 1500

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
	b->done(b->done_context, b->token_error == ERR_OK ? &token : NULL, NULL, b->token_error == ERR_OK ? NULL : &why);
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

static int
find_fake(void *context, const char *table, bool by_replay_id, const struct sought *sought, size_t count, bool *found,
    struct error *e)
{
	(void)context;
	assert_true(by_replay_id); /* the full layout has it */
	if (count > 0 && text_is(sought[0].id, "fail"))
		return error_set(e, ERR_UNAVAILABLE, "no answer about %s", table);
	for (size_t i = 0; i < count; i++)
		found[i] = text_starts(sought[i].id, "stored");
	return 0;
}

static void
bench_make(struct bench *b, const char *table, enum row_format format, enum layout layout,
    struct sink_columns_source columns)
{
	struct error e = ERROR_INIT;
	struct delta_table *t = make_table(table, layout);
	bool never_opens = strstr(table, "_silent") != NULL || strstr(table, "_tokenless") != NULL, never_ends = strstr(table, "_hang") != NULL;
	char target[64];

	memset(b, 0, sizeof(*b));
	snprintf(target, sizeof(target), "127.0.0.1:%d", peer.port);
	b->loop = loop_new(&clock_system);
	b->channel = channel_new(b->loop, &(struct channel_options){.target = target, .plaintext = true}, &e);
	assert_non_null(b->channel);
	b->sink = table_sink_new(&(struct table_sink_options){.loop = b->loop, .channel = b->channel, .table = t, .format = format,
	    .clock = &row_clock, .token = {get_token, b}, .principal = "app-1",
	    .open_timeout_ms = never_opens ? SHORT_OPEN_MS : WAIT_MS, .finish_timeout_ms = never_ends ? SHORT_FINISH_MS : WAIT_MS,
	    .lookup = {find_fake, b}, .columns = columns}, &e);
	if (b->sink == NULL)
		fail_msg("%s", e.text);
	delta_table_free(t);
}

static void
bench_init(struct bench *b, const char *table, enum row_format format)
{
	bench_make(b, table, format, LAYOUT_FULL, (struct sink_columns_source){NULL, NULL});
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

#endif
