/*
 * Standard output as the engine's sink: a row is a printed event, durable when it has been written. So tail has the
 * engine's patience with servers for nothing.
 *
 * When the reader has gone away, or the disk is full, `stop` is called once; what comes after that is dropped.
 */
#ifndef SFZB_COMMANDS_PRINT_SINK_H
#define SFZB_COMMANDS_PRINT_SINK_H

#include "rpc/loop.h"
#include "stream/sink.h"

struct print_sink;

struct print_sink_options {
	struct loop *loop;
	/* Appends one event, newline included. ERR_REFUSED: it has no such form; it is set aside. */
	int (*print)(void *context, const struct event *event, struct buffer *out, struct error *e);
	/* why NULL: the reader has gone. */
	void (*stop)(void *context, const struct error *why);
	void *context;
};

struct print_sink *print_sink_new(const struct print_sink_options *o);
struct sink *print_sink_sink(struct print_sink *s);
void print_sink_free(struct print_sink *s);

#endif
