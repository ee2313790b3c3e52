/* What the files of the ingest service share: the server, and one EphemeralStream call of it. */
#ifndef SFZB_EMULATOR_ZEROBUS_STREAM_H
#define SFZB_EMULATOR_ZEROBUS_STREAM_H

#include <pthread.h>

#include "emulator/zerobus_message.h"
#include "emulator/zerobus_record.h"
#include "emulator/zerobus_server.h"

/* gRPC status codes that the service answers with. */
enum {
	INVALID_ARGUMENT = 3,
	NOT_FOUND = 5,
	PERMISSION_DENIED = 7,
	RESOURCE_EXHAUSTED = 8,
	UNIMPLEMENTED = 12,
	UNAVAILABLE = 14,
	UNAUTHENTICATED = 16
};

struct zerobus_stream {
	struct zerobus_server *server;
	struct server_call *call; /* NULL once it is over */
	enum { NEW, OPEN, ENDING } state;
	struct record_plan *plan;
	struct lake_layout *layout;
	bool json;
	char id[UUID_SIZE];
	char *client, *scope; /* of the token */
	uint64_t received;    /* ingest requests, as the error script counts them */
	int64_t next_offset, committed, acknowledged; /* the last two: -1 none */
	size_t jobs, bytes; /* being stored */
	bool reading, half_closed, failing, stalled;
	struct server_timer ack_timer, close_timer, idle_timer;
	int64_t second; /* monotonic, and how many records came in it */
	uint64_t second_rows;
	/* how the call ends once nothing is being stored */
	int status;
	char words[700];
	char reason[64];
};

/* When a stream was opened for a table: the latest of them, in a ring. */
#define ZEROBUS_OPENINGS 1024
struct zerobus_opening {
	int64_t at_ms; /* monotonic */
	char table[256];
};

struct zerobus_server {
	struct zerobus_options options;
	struct server *server;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t idle;
	struct job *done, **done_last;
	size_t jobs; /* of all streams */
	bool posted, closed;
	/* of the server's thread */
	struct zerobus_opening openings[ZEROBUS_OPENINGS];
	uint64_t opening_count;
	/* counts: written by the server's thread, read by any */
	_Atomic uint64_t streams, requests, rows, acknowledgements, refused;
};

/* Refuses: the first reason counts; the call ends once nothing is being stored. reason NULL: no structured details. */
void zerobus_stream_fail(struct zerobus_stream *s, int status, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Checks the token in the call's headers. false: refused. */
bool zerobus_stream_authorize(struct zerobus_stream *s);
/* Answers the first message: the stream is OPEN, or refused. */
void zerobus_stream_open(struct zerobus_stream *s, const struct zerobus_create *c);

/* zerobus_limits.c; false: refused. */
bool zerobus_stream_may_open(struct zerobus_stream *s, const char *table);
bool zerobus_stream_may_send(struct zerobus_stream *s, size_t rows);
bool zerobus_stream_still_authorized(struct zerobus_stream *s);

#endif
