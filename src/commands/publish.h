/*
 * The parts of `sfzb publish`. Private to that command: publish.c (the command), publish_batch.c (from input to encoded
 * events), publish_send.c (the batches' way to the server and their results).
 */
#ifndef SFZB_COMMANDS_PUBLISH_H
#define SFZB_COMMANDS_PUBLISH_H

#include "base/random.h"
#include "commands/app.h"
#include "commands/lines.h"
#include "commands/raw_event.h"
#include "commands/subscription.h"
#include "salesforce/pubsub_publish.h"

struct publish_options {
	const char *file, *id_field;
	int64_t rate, max_retries;
	bool template_only, raw;
};

/* One event of the batch; refused ones have no payload. */
struct publish_entry {
	char id[UUID_SIZE];
	long long line;
	size_t from, len; /* in payloads */
	char *refusal;
};

struct publish_batch {
	struct publish_entry *entries;
	size_t count, capacity;
	struct buffer payloads;
};

struct publish {
	struct app *app;
	const struct publish_options *options;
	struct avro_schema *schema;
	char topic[TOPIC_NAME_SIZE];
	char *schema_id;
	struct pubsub_publisher *publisher;
	/* input: arguments, or lines */
	char **arguments;
	int argument_count, next_argument;
	struct lines *lines;
	struct raw_schemas schemas; /* of a container that is published */
	bool input_ended;
	struct publish_batch batch;
	/* sending */
	bool sending, waiting, stopping, done;
	struct loop_timer timer;
	struct random random;
	unsigned failures; /* in a row */
	int64_t next_us;   /* monotonic: not before, by --rate */
	long long published, refused, unknown;
	struct error failure; /* ends the run */
	int signal;
	bool stopped_early; /* by the signal, with input left */
};

/* Fills the batch with what is there and fits; what is not there yet does not hold up what is. */
void publish_fill(struct publish *p);
void publish_batch_clear(struct publish_batch *b);

/* Publishes everything; the loop runs meanwhile. Every event gets one result line, in order. */
int publish_run(struct publish *p, struct error *e);
/* There is input (also after its end). */
void publish_go_on(void *publish);

#endif
