/* Plausible values for the fields of the emulator's org, from a seeded generator. */
#ifndef SFZB_EMULATOR_VALUES_H
#define SFZB_EMULATOR_VALUES_H

#include "base/buffer.h"
#include "base/random.h"

#define RECORD_ID_SIZE 19
/* 18 characters: prefix, org, number in base 62, and the check letters. */
char *value_record_id(char out[RECORD_ID_SIZE], const char *prefix, uint64_t number);

/* Text for a field of this name whose doc says this word; appended. */
void value_text(struct random *r, struct buffer *out, const char *field, const char *word);
double value_double(struct random *r, const char *field, const char *word);
/* ms since 1970, days at midnight, ms of a day: as the word says. */
int64_t value_time(struct random *r, const char *word, int64_t now_ms);

#endif
