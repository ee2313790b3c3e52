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
};

struct position_store stores_positions(struct stores *s);
struct letter_store stores_letters(struct stores *s);
void stores_release(struct stores *s); /* only what it opened itself */

#endif
