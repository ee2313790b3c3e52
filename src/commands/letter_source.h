/*
 * Events that were set aside, as a source of the engine: each is decoded anew from its raw bytes and comes as it came
 * from the bus, or as undecodable again. Ends with `idle` when all have been delivered.
 *
 * It keeps track of what became of them: letter_source_passed says which are durable or were set aside again.
 */
#ifndef SFZB_COMMANDS_LETTER_SOURCE_H
#define SFZB_COMMANDS_LETTER_SOURCE_H

#include "avro/schema.h"
#include "profile/dead_letters.h"
#include "rpc/loop.h"
#include "stream/source.h"

struct letter_source;

struct letter_source_options {
	struct loop *loop;
	struct dead_letters *store;
	const char *topic;
	const int64_t *ids; /* of letters of that topic, all of one table */
	size_t count;
	/*
	 * The schema of a letter that was set aside without one: a borrowed reference, or NULL with the reason. Answers at
	 * once.
	 */
	struct avro_schema *(*schema)(void *context, struct text schema_id, struct error *e);
	void *context;
};

/* Everything is borrowed until the source is freed. */
struct letter_source *letter_source_new(const struct letter_source_options *o);
struct source *letter_source_source(struct letter_source *s);
/* The letter of this event stays: it was set aside again. */
void letter_source_keep(struct letter_source *s, const struct replay_id *id);
/* All up to this event are done with: removes those that need not stay. */
int letter_source_passed(struct letter_source *s, const struct replay_id *id, struct error *e);
size_t letter_source_kept(const struct letter_source *s);
size_t letter_source_removed(const struct letter_source *s);
/* After the engine has ended. */
void letter_source_free(struct letter_source *s);

#endif
