/*
 * A batch: rows of one table, encoded one behind the other, with what is needed to set each of them
 * aside should the table refuse it. Batches come from a pool and keep their memory, so that a running stream
 * allocates nothing.
 */
#ifndef SFZB_STREAM_BATCH_H
#define SFZB_STREAM_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "stream/sink.h"

struct feed;

/* An Avro schema that kept rows were written with; shared by them. */
struct kept_schema {
	char *id, *json;
	size_t id_len, json_len;
	size_t rows; /* that point here */
};

struct row {
	struct feed *feed;
	uint64_t sequence; /* in the feed's window */
	int64_t number;	   /* n-th event that the feed was given */
	struct kept_schema *schema;
	size_t kept_at; /* in batch->kept: the event id, then the payload */
	size_t id_len, payload_len;
	int64_t received_ms;
	bool suspect; /* may be in the table already: to be looked up before it is sent */
	bool sent;    /* was sent before, on a stream that ended */
	bool id_is_unique; /* as struct sought */
};

struct batch {
	struct batch *next; /* in the pool, or among those of a lane that were refused */
	struct buffer bytes, kept;
	size_t *ends; /* in bytes */
	struct row *rows;
	size_t count, ends_capacity, rows_capacity;
	size_t suspects;    /* rows with .suspect */
	uint64_t serial;    /* rises with each new batch of the pool */
	int64_t begun_ms;   /* monotonic: first row */
	int64_t sent_ms;
	int64_t visible_ms; /* a look-up of its suspects says the truth from then on */
	struct error *why;  /* it was refused, and this is why: NULL for others; freed with it */
	bool closed;	    /* takes no more rows */
	bool fenced;	    /* waits for all older batches of its table, on other streams too */
};

struct batch_pool {
	struct batch *free;
	size_t bytes;	/* that the free ones keep */
	uint64_t begun; /* batches so far */
};

void batch_pool_release(struct batch_pool *p);
struct batch *batch_new(struct batch_pool *p, int64_t now_ms);
void batch_free(struct batch_pool *p, struct batch *b);

/* Bytes that its rows hold, encoded and kept. */
size_t batch_size(const struct batch *b);
/* Adds a row whose bytes lie in b->bytes from the last end on; copies id and payload. */
struct row *batch_add(struct batch *b, struct text id, struct text payload);
/* Moves rows [from, count) to the empty batch `to`. */
void batch_split(struct batch *b, size_t from, struct batch *to);
/* Drops the rows that `gone` marks, one flag a row. */
void batch_compact(struct batch *b, const bool *gone);
struct text batch_row_id(const struct batch *b, size_t row);
struct text batch_row_payload(const struct batch *b, size_t row);
struct rows batch_rows(const struct batch *b);

#endif
