/*
 * Where to begin, as people write it: --from of tail and stream, and what replay set takes.
 */
#ifndef SFZB_COMMANDS_FROM_H
#define SFZB_COMMANDS_FROM_H

#include "base/error.h"
#include "base/replay_id.h"
#include "stream/source.h"

enum from_kind {
	FROM_AUTO,
	FROM_EARLIEST,
	FROM_LATEST,
	FROM_STORED,
	FROM_REPLAY_ID,
	FROM_TIME,
};

struct from {
	enum from_kind kind;
	struct replay_id replay_id; /* FROM_REPLAY_ID: strictly behind it */
	int64_t time_ms;	    /* FROM_TIME: wall clock */
};

#define FROM_ARGUMENT "<where>"

/* words: those of the enum that this command takes, "earliest|latest|stored"; ids and times are always taken. */
int from_parse(struct from *from, const char *words, const char *s, struct error *e);
/* ERR_USAGE for a time that lies ahead: all that came until then would be passed over, and its position stored. */
int from_check_past(const struct from *from, struct error *e);

/*
 * A source that drops events committed before a point in time. The server cannot start at a time, so the
 * subscription starts at earliest and what is older is left out here. Owns nothing; inner stays the caller's.
 */
struct since_source {
	struct source source; /* use this one */
	struct source *inner;
	int64_t since_ms;
	const struct source_events *events;
	void *context;
	uint32_t allowed; /* of what the owner may still take */
	bool passed; /* the first event that is young enough has come */
};
void since_source_init(struct since_source *s, struct source *inner, int64_t since_ms);

#endif
