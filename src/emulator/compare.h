/*
 * What was published against what is stored: the emulator knows both, so it can tell whether a stream lost or doubled an
 * event. Reads the files in its directory, also while an emulator runs there.
 */
#ifndef SFZB_EMULATOR_COMPARE_H
#define SFZB_EMULATOR_COMPARE_H

#include <stdint.h>

#include "base/error.h"

struct comparison {
	int64_t published;
	int64_t stored;	    /* rows */
	int64_t missing;    /* published, in no row */
	int64_t duplicates; /* rows beyond the first of their event */
};

/* table: "main.crm.events", with a column event_id. ERR_NOT_FOUND when there is no such directory or table. */
int compare_run(const char *directory, const char *table, struct comparison *out, struct error *e);

#endif
