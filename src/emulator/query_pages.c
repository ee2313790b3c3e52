#include "emulator/query_pages.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "emulator/values.h"

#define KEPT 10
#define LIFE_MS (2 * 24 * 3600 * 1000LL)

struct kept {
	char id[RECORD_ID_SIZE];
	struct json *records; /* NULL: the place is free */
	int64_t total, begun_ms;
	size_t size; /* of a page */
};

struct query_pages {
	const struct clock *clock;
	pthread_mutex_t lock;
	struct kept kept[KEPT];
	uint64_t count; /* in all */
};

struct query_pages *
query_pages_new(const struct clock *clock)
{
	struct query_pages *p = memory_zero(1, sizeof *p);

	p->clock = clock;
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void
query_pages_free(struct query_pages *p)
{
	if (!p)
		return;
	for (int i = 0; i < KEPT; i++)
		json_free(p->kept[i].records);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* The page that begins at a record. */
static void
put_page(struct json *answer, const struct kept *k, size_t from, const char *url)
{
	struct json *page = json_array();
	const struct json *r = json_first(k->records);
	size_t at = 0;
	char *next;

	for (; r && at < from + k->size; r = json_next(r), at++)
		if (at >= from)
			json_add(page, json_clone(r));
	json_set_int64(answer, "totalSize", k->total);
	json_set_bool(answer, "done", r == NULL);
	if (r) {
		next = memory_format("%s/%s-%zu", url, k->id, at);
		json_set_string(answer, "nextRecordsUrl", next);
		free(next);
	}
	json_set(answer, "records", page);
}

void
query_pages_begin(struct query_pages *p, struct json *answer, struct json *records, int64_t total, size_t size,
    const char *url)
{
	struct kept *k;

	if (json_count(records) <= size) {
		json_set_int64(answer, "totalSize", total);
		json_set_bool(answer, "done", true);
		json_set(answer, "records", records);
		return;
	}
	pthread_mutex_lock(&p->lock);
	k = &p->kept[p->count++ % KEPT];
	json_free(k->records);
	*k = (struct kept){ .records = records, .total = total, .begun_ms = clock_wall_ms(p->clock), .size = size };
	value_record_id(k->id, "01g", p->count);
	put_page(answer, k, 0, url);
	pthread_mutex_unlock(&p->lock);
}

bool
query_pages_next(struct query_pages *p, struct json *answer, const char *locator, const char *url)
{
	const char *dash = strchr(locator, '-');
	bool found = false;
	char *end;
	size_t from;

	if (!dash || dash - locator != RECORD_ID_SIZE - 1)
		return false;
	from = strtoul(dash + 1, &end, 10);
	pthread_mutex_lock(&p->lock);
	for (int i = 0; i < KEPT && !found && *end == '\0'; i++) {
		struct kept *k = &p->kept[i];

		if (!k->records || strncmp(k->id, locator, RECORD_ID_SIZE - 1) != 0 || from >= json_count(k->records) ||
		    clock_wall_ms(p->clock) - k->begun_ms > LIFE_MS)
			continue;
		put_page(answer, k, from, url);
		found = true;
	}
	pthread_mutex_unlock(&p->lock);
	return found;
}
