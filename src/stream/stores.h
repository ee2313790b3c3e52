/*
 * The engine's stores, made of a profile's: positions in replay.db under one organisation and table, dead letters in
 * dead-letters/. The structs are placed by value and must outlive the engine.
 */
#ifndef SFZB_STREAM_STORES_H
#define SFZB_STREAM_STORES_H

#include "stream/engine.h"

struct stores {
	struct positions *positions;
	struct profile *profile;	   /* for dead letters: their file is made when the first one comes */
	struct dead_letters *dead_letters; /* NULL until then; freed by stores_release */
	const struct clock *clock;
	const char *org_id;
	const char *table; /* as given to --table, "{entity}" included */
	struct position_lock **locks; /* of the topics, to be told when a position was stored; may be none */
	size_t lock_count;
};

/*
 * For engine_setup.recent: what was remembered of the events before the positions of these topics, which the run goes on
 * from; it is dropped where goes_on is false. *memory holds until stores_recall_release, which takes zeroes too.
 */
int stores_recall(struct stores *s, const char *const *topics, const bool *goes_on, size_t count,
    struct recent_memory *memory, struct error *e);
void stores_recall_release(struct recent_memory *memory);
struct position_store stores_positions(struct stores *s);
struct letter_store stores_letters(struct stores *s);
void stores_release(struct stores *s); /* only what it opened itself */

#endif
