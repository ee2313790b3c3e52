#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/memory.h"

static uint64_t
rotate(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

/* xoshiro256**, seeded by splitmix64: both public domain algorithms of Blackman and Vigna. */
void
random_seed(struct random *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += UINT64_C(0x9E3779B97F4A7C15);

		z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
		z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
		r->state[i] = z ^ z >> 31;
	}
}

void
random_seed_system(struct random *r)
{
	uint64_t seed;

	random_system_bytes(&seed, sizeof(seed));
	random_seed(r, seed);
}

uint64_t
random_next(struct random *r)
{
	uint64_t *s = r->state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

uint64_t
random_below(struct random *r, uint64_t bound)
{
	return bound == 0 ? 0 : random_next(r) % bound;
}

double
random_unit(struct random *r)
{
	return (double)(random_next(r) >> 11) * 0x1.0p-53;
}

void
random_system_bytes(void *out, size_t len)
{
	char *p = out;

	while (len > 0) {
		ssize_t n = getrandom(p, len > 256 ? 256 : len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			memory_give_up("the system gives no random numbers (getrandom)");
		p += n;
		len -= (size_t)n;
	}
}

static char *
format_uuid(uint8_t b[16], char out[UUID_SIZE])
{
	b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
	snprintf(out, UUID_SIZE,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
	    b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return out;
}

char *
random_uuid(char out[UUID_SIZE])
{
	uint8_t b[16];

	random_system_bytes(b, sizeof(b));
	return format_uuid(b, out);
}

char *
random_uuid_seeded(struct random *r, char out[UUID_SIZE])
{
	uint64_t words[2] = {random_next(r), random_next(r)};
	uint8_t b[16];

	memcpy(b, words, sizeof(b));
	return format_uuid(b, out);
}
