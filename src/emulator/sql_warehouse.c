#include "emulator/sql_warehouse.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json_text.h"
#include "base/memory.h"
#include "base/random.h"

#define STATEMENTS_MAX 200 /* that run or wait at a time */
#define CHUNK_BYTES ((size_t)4 * 1024 * 1024)
#define KEPT_MS (3600 * 1000)	   /* results, after the end */
#define FORGOTTEN_MS (12 * 3600 * 1000) /* status too */
#define KEPT_BYTES ((size_t)256 * 1024 * 1024) /* of all results; the oldest go first */

enum statement_state { PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED, CLOSED };

static const char *const state_names[] = {"PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "CLOSED"};

struct chunk {
	size_t row, rows, start, end; /* bytes of the result's data */
};

struct statement {
	struct warehouse *warehouse;
	char id[UUID_SIZE];
	struct spark_request request;
	char *text, *catalog, *schema, *principal;
	enum statement_state state;
	int cancel; /* atomic */
	struct spark_result result;
	struct error error;
	struct chunk *chunks;
	size_t chunk_count;
	int64_t ended_ms;
	struct statement *next;
};

struct warehouse {
	struct warehouse_options options;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct statement *first, **last;
	size_t threads;
	bool closing;
	int64_t started_ms; /* -1: stopped */
	uint64_t submitted;
};

static int64_t
now_ms(const struct warehouse *w)
{
	return clock_monotonic_ms(w->options.clock);
}

/* Waits for a change, at most so long. With the lock held. */
static void
wait_some(struct warehouse *w, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&w->changed, &w->lock, &until);
}

/* ---- the warehouse ---- */

struct warehouse *
warehouse_open(const struct warehouse_options *o)
{
	struct warehouse *w = memory_zero(1, sizeof(*w));
	pthread_condattr_t attributes;

	w->options = *o;
	w->last = &w->first;
	w->started_ms = o->start_ms > 0 ? -1 : 0;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	return w;
}

static void
statement_free(struct statement *s)
{
	for (size_t i = 0; i < s->request.parameter_count; i++) {
		free((char *)(uintptr_t)s->request.parameters[i].name);
		free((char *)(uintptr_t)s->request.parameters[i].type);
		free((char *)(uintptr_t)s->request.parameters[i].value);
	}
	free((void *)(uintptr_t)s->request.parameters);
	free(s->text);
	free(s->catalog);
	free(s->schema);
	free(s->principal);
	free(s->chunks);
	spark_result_release(&s->result);
	free(s);
}

void
warehouse_end(struct warehouse *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	for (struct statement *s = w->first; s != NULL; s = s->next)
		__atomic_store_n(&s->cancel, 1, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

void
warehouse_close(struct warehouse *w)
{
	if (w == NULL)
		return;
	warehouse_end(w);
	pthread_mutex_lock(&w->lock);
	while (w->threads > 0)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
	while (w->first != NULL) {
		struct statement *next = w->first->next;

		statement_free(w->first);
		w->first = next;
	}
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static enum warehouse_state
state_now(const struct warehouse *w)
{
	if (w->started_ms < 0)
		return WAREHOUSE_STOPPED;
	return now_ms(w) >= w->started_ms + w->options.start_ms ? WAREHOUSE_RUNNING : WAREHOUSE_STARTING;
}

enum warehouse_state
warehouse_state(struct warehouse *w)
{
	enum warehouse_state state;

	pthread_mutex_lock(&w->lock);
	state = state_now(w);
	pthread_mutex_unlock(&w->lock);
	return state;
}

void
warehouse_start(struct warehouse *w)
{
	pthread_mutex_lock(&w->lock);
	if (w->started_ms < 0)
		w->started_ms = now_ms(w);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

void
warehouse_stop(struct warehouse *w)
{
	pthread_mutex_lock(&w->lock);
	w->started_ms = -1;
	pthread_mutex_unlock(&w->lock);
}

uint64_t
warehouse_statements(struct warehouse *w)
{
	uint64_t n;

	pthread_mutex_lock(&w->lock);
	n = w->submitted;
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* ---- running ---- */

static void
make_chunks(struct statement *s)
{
	const struct spark_result *r = &s->result;
	size_t start = 0, capacity = 0;

	for (size_t row = 0; row < r->rows;) {
		struct chunk c = {.row = row, .start = start};

		while (row < r->rows && (row == c.row || r->row_ends[row] - c.start <= CHUNK_BYTES))
			start = r->row_ends[row++];
		c.rows = row - c.row;
		c.end = start;
		s->chunks = memory_reserve(s->chunks, &capacity, s->chunk_count + 1, sizeof(*s->chunks));
		s->chunks[s->chunk_count++] = c;
	}
}

/* Drops results that are old or too much together, and statements that are very old. With the lock held. */
static void
forget(struct warehouse *w)
{
	int64_t now = now_ms(w);
	size_t bytes = 0;
	struct statement **at;

	for (struct statement *s = w->first; s != NULL; s = s->next)
		if (s->ended_ms > 0) /* until then the result is its own thread's */
			bytes += s->result.data.capacity;
	for (at = &w->first; *at != NULL;) {
		struct statement *s = *at;

		/* the newest may be as large as it likes: its answer is still on its way */
		if (s->state == SUCCEEDED && s->ended_ms > 0 &&
		    (now - s->ended_ms > KEPT_MS || (bytes > KEPT_BYTES && s->next != NULL))) {
			bytes -= s->result.data.capacity;
			buffer_release(&s->result.data);
			s->state = CLOSED;
		}
		if (s->ended_ms > 0 && now - s->ended_ms > FORGOTTEN_MS) {
			*at = s->next;
			statement_free(s);
			continue;
		}
		at = &s->next;
	}
	w->last = at;
}

static void *
run(void *context)
{
	struct statement *s = context;
	struct warehouse *w = s->warehouse;
	int rc = -1;

	pthread_mutex_lock(&w->lock);
	if (w->started_ms < 0)
		w->started_ms = now_ms(w);
	while (!s->cancel && state_now(w) != WAREHOUSE_RUNNING)
		wait_some(w, 50);
	if (!s->cancel)
		s->state = RUNNING;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	if (s->state == RUNNING)
		rc = spark_run(w->options.lakehouse, &s->request, &s->result, &s->error);
	if (rc == 0)
		make_chunks(s);
	pthread_mutex_lock(&w->lock);
	s->state = rc == 0 ? SUCCEEDED : s->result.canceled || s->state == PENDING ? CANCELED : FAILED;
	s->ended_ms = now_ms(w) + 1;
	w->threads--;
	forget(w);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static struct statement *
copy_request(struct warehouse *w, const struct spark_request *q)
{
	struct statement *s = memory_zero(1, sizeof(*s));
	struct spark_parameter *parameters = memory_zero(q->parameter_count + 1, sizeof(*parameters));

	s->warehouse = w;
	random_uuid(s->id);
	s->request = *q;
	for (size_t i = 0; i < q->parameter_count; i++)
		parameters[i] = (struct spark_parameter){.name = memory_strdup(q->parameters[i].name),
		    .type = memory_strdup(q->parameters[i].type),
		    .value = memory_strdup(q->parameters[i].value)};
	s->request.parameters = parameters;
	s->request.statement = s->text = memory_strdup(q->statement);
	s->request.catalog = s->catalog = memory_strdup(q->catalog);
	s->request.schema = s->schema = memory_strdup(q->schema);
	s->request.principal = s->principal = memory_strdup(q->principal);
	s->request.cancel = &s->cancel;
	return s;
}

/* ---- answers, with the lock held ---- */

static void
append_chunk(const struct statement *s, size_t n, struct buffer *out)
{
	const struct chunk *c = &s->chunks[n];
	size_t at = c->start;

	buffer_append_format(out, "{\"chunk_index\":%zu,\"row_offset\":%zu,\"row_count\":%zu", n, c->row, c->rows);
	if (n + 1 < s->chunk_count)
		buffer_append_format(out,
		    ",\"next_chunk_index\":%zu,\"next_chunk_internal_link\":\"/api/2.0/sql/statements/%s/result/chunks/%zu?row_offset=%zu\"",
		    n + 1, s->id, n + 1, s->chunks[n + 1].row);
	buffer_append_text(out, ",\"data_array\":[");
	for (size_t row = c->row; row < c->row + c->rows; row++) {
		if (row > c->row)
			buffer_append_byte(out, ',');
		buffer_append(out, s->result.data.data + at, s->result.row_ends[row] - at);
		at = s->result.row_ends[row];
	}
	buffer_append_text(out, "]}");
}

static void
append_manifest(const struct statement *s, struct buffer *out)
{
	const struct spark_result *r = &s->result;

	buffer_append_format(out, ",\"manifest\":{\"format\":\"JSON_ARRAY\",\"schema\":{\"column_count\":%zu,\"columns\":[",
	    r->column_count);
	for (size_t i = 0; i < r->column_count; i++) {
		const struct lake_type *t = r->columns[i].type;
		struct buffer text = BUFFER_INIT;

		lake_type_text(t, &text);
		for (size_t k = 0; k < text.len; k++)
			if (!lake_kind_is_nested(t->kind) && text.data[k] >= 'a' && text.data[k] <= 'z')
				text.data[k] = (uint8_t)(text.data[k] - 32);
		buffer_append_format(out, "%s{\"name\":", i ? "," : "");
		json_text_string(out, text_of(r->columns[i].name));
		buffer_append_text(out, ",\"type_text\":");
		json_text_string(out, buffer_span(&text));
		buffer_append_format(out, ",\"type_name\":\"%s\",\"position\":%zu", lake_type_name(t->kind), i);
		if (t->kind == LAKE_DECIMAL)
			buffer_append_format(out, ",\"type_precision\":%d,\"type_scale\":%d", t->precision, t->scale);
		buffer_append_text(out, "}");
		buffer_release(&text);
	}
	buffer_append_format(out, "]},\"total_chunk_count\":%zu,\"chunks\":[", s->chunk_count);
	for (size_t i = 0; i < s->chunk_count; i++)
		buffer_append_format(out, "%s{\"chunk_index\":%zu,\"row_offset\":%zu,\"row_count\":%zu}", i ? "," : "", i,
		    s->chunks[i].row, s->chunks[i].rows);
	buffer_append_format(out, "],\"total_row_count\":%zu,\"total_byte_count\":%zu,\"truncated\":%s}", r->rows, r->data.len,
	    r->truncated ? "true" : "false");
}

static void
append_answer(const struct statement *s, enum statement_state state, struct buffer *out)
{
	buffer_append_format(out, "{\"statement_id\":\"%s\",\"status\":{\"state\":\"%s\"", s->id, state_names[state]);
	if (state == FAILED) {
		buffer_append_format(out, ",\"error\":{\"error_code\":\"%s\",\"message\":",
		    s->result.kind[0] ? s->result.kind : "INTERNAL_ERROR");
		json_text_string(out, text_of(s->error.text));
		buffer_append_text(out, "}");
		if (s->result.state[0] != '\0')
			buffer_append_format(out, ",\"sql_state\":\"%s\"", s->result.state);
	}
	buffer_append_text(out, "}");
	if (state == SUCCEEDED || state == CLOSED)
		append_manifest(s, out);
	if (state == SUCCEEDED) {
		buffer_append_text(out, ",\"result\":");
		if (s->chunk_count > 0)
			append_chunk(s, 0, out);
		else
			buffer_append_text(out, "{}");
	}
	buffer_append_text(out, "}");
}

static struct statement *
find(struct warehouse *w, const char *id)
{
	forget(w);
	for (struct statement *s = w->first; s != NULL; s = s->next)
		if (strcmp(s->id, id) == 0)
			return s;
	return NULL;
}

void
warehouse_submit(struct warehouse *w, const struct spark_request *q, int64_t wait_ms, bool cancel_late,
    struct buffer *answer)
{
	struct statement *s = copy_request(w, q);
	int64_t until = now_ms(w) + wait_ms;
	pthread_t thread;
	pthread_attr_t detached;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	pthread_mutex_lock(&w->lock);
	*w->last = s;
	w->last = &s->next;
	w->submitted++;
	w->threads++;
	if (w->closing || w->threads > STATEMENTS_MAX || pthread_create(&thread, &detached, run, s) != 0) {
		w->threads--;
		s->state = FAILED;
		s->ended_ms = now_ms(w) + 1;
		error_set(&s->error, ERR_FAILED, "the warehouse has no thread for the statement");
		snprintf(s->result.kind, sizeof(s->result.kind), "RESOURCE_EXHAUSTED");
	}
	pthread_attr_destroy(&detached);
	while (s->ended_ms == 0 && now_ms(w) < until)
		wait_some(w, until - now_ms(w));
	if (s->ended_ms == 0 && cancel_late) {
		__atomic_store_n(&s->cancel, 1, __ATOMIC_RELAXED);
		pthread_cond_broadcast(&w->changed);
		while (s->ended_ms == 0)
			wait_some(w, 1000);
	}
	append_answer(s, s->state, answer);
	pthread_mutex_unlock(&w->lock);
}

bool
warehouse_poll(struct warehouse *w, const char *id, struct buffer *answer)
{
	struct statement *s;

	pthread_mutex_lock(&w->lock);
	s = find(w, id);
	if (s != NULL)
		append_answer(s, s->ended_ms != 0 && now_ms(w) < s->ended_ms - 1 + w->options.poll_lag_ms ? RUNNING : s->state, answer);
	pthread_mutex_unlock(&w->lock);
	return s != NULL;
}

bool
warehouse_cancel(struct warehouse *w, const char *id)
{
	struct statement *s;

	pthread_mutex_lock(&w->lock);
	s = find(w, id);
	if (s != NULL)
		__atomic_store_n(&s->cancel, 1, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return s != NULL;
}

int
warehouse_chunk(struct warehouse *w, const char *id, size_t chunk, struct buffer *answer)
{
	struct statement *s;
	int found = 0;

	pthread_mutex_lock(&w->lock);
	s = find(w, id);
	if (s != NULL)
		found = s->state == SUCCEEDED && chunk < s->chunk_count ? 1 : -1;
	if (found == 1)
		append_chunk(s, chunk, answer);
	pthread_mutex_unlock(&w->lock);
	return found;
}
