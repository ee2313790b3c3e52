/*
 * Randomness as an argument: a seeded generator for back-off, tests and the emulator's org, and the
 * system's source for what must not be guessed (states, verifiers, UUIDs).
 */
#ifndef SFZB_BASE_RANDOM_H
#define SFZB_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state[4];
};

void random_seed(struct random *r, uint64_t seed);
void random_seed_system(struct random *r);
uint64_t random_next(struct random *r);
uint64_t random_below(struct random *r, uint64_t bound); /* 0 … bound - 1; 0 for bound 0 */
double random_unit(struct random *r);			 /* [0, 1) */

void random_system_bytes(void *out, size_t len);
#define UUID_SIZE 37
char *random_uuid(char out[UUID_SIZE]);				   /* version 4, lower case */
char *random_uuid_seeded(struct random *r, char out[UUID_SIZE]); /* the same from a generator */

#endif
