#include "stream/batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Beyond this a freed batch gives its memory back: a burst must not stay for ever. */
#define POOL_BYTES ((size_t)4 * 1024 * 1024)

static size_t
memory_of(const struct batch *b)
{
	return b->bytes.capacity + b->kept.capacity + b->ends_capacity * sizeof(*b->ends) +
	    b->rows_capacity * sizeof(*b->rows);
}

static void
destroy(struct batch *b)
{
	buffer_release(&b->bytes);
	buffer_release(&b->kept);
	free(b->ends);
	free(b->rows);
	free(b->why);
	free(b);
}

void
batch_pool_release(struct batch_pool *p)
{
	while (p->free != NULL) {
		struct batch *b = p->free;

		p->free = b->next;
		destroy(b);
	}
	p->bytes = 0;
}

struct batch *
batch_new(struct batch_pool *p, int64_t now_ms)
{
	struct batch *b = p->free;

	if (b == NULL) {
		b = memory_zero(1, sizeof(*b));
	} else {
		p->free = b->next;
		p->bytes -= memory_of(b);
	}
	b->next = NULL;
	b->serial = ++p->begun;
	b->begun_ms = now_ms;
	return b;
}

void
batch_free(struct batch_pool *p, struct batch *b)
{
	free(b->why);
	b->why = NULL;
	if (p->bytes + memory_of(b) > POOL_BYTES) {
		destroy(b);
		return;
	}
	buffer_clear(&b->bytes);
	buffer_clear(&b->kept);
	b->count = b->suspects = 0;
	b->sent_ms = b->visible_ms = 0;
	b->closed = b->fenced = false;
	b->next = p->free;
	p->free = b;
	p->bytes += memory_of(b);
}

size_t
batch_size(const struct batch *b)
{
	return b->bytes.len + b->kept.len;
}

static void
reserve(struct batch *b, size_t rows)
{
	b->ends = memory_reserve(b->ends, &b->ends_capacity, rows, sizeof(*b->ends));
	b->rows = memory_reserve(b->rows, &b->rows_capacity, rows, sizeof(*b->rows));
}

struct row *
batch_add(struct batch *b, struct text id, struct text payload)
{
	struct row *r;

	reserve(b, b->count + 1);
	r = &b->rows[b->count];
	memset(r, 0, sizeof(*r));
	r->kept_at = b->kept.len;
	r->id_len = id.len;
	r->payload_len = payload.len;
	buffer_append(&b->kept, id.data, id.len);
	buffer_append(&b->kept, payload.data, payload.len);
	b->ends[b->count++] = b->bytes.len;
	return r;
}

static size_t
row_begin(const struct batch *b, size_t row)
{
	return row == 0 ? 0 : b->ends[row - 1];
}

void
batch_split(struct batch *b, size_t from, struct batch *to)
{
	size_t bytes_from = row_begin(b, from), kept_from = b->kept.len;

	assert(to->count == 0 && from <= b->count);
	if (from == b->count)
		return;
	kept_from = b->rows[from].kept_at;
	reserve(to, b->count - from);
	buffer_append(&to->bytes, b->bytes.data + bytes_from, b->bytes.len - bytes_from);
	buffer_append(&to->kept, b->kept.data + kept_from, b->kept.len - kept_from);
	for (size_t i = from; i < b->count; i++) {
		struct row *r = &to->rows[to->count];

		*r = b->rows[i];
		r->kept_at -= kept_from;
		to->ends[to->count++] = b->ends[i] - bytes_from;
		if (r->suspect) {
			b->suspects--;
			to->suspects++;
		}
	}
	b->bytes.len = bytes_from;
	b->kept.len = kept_from;
	b->count = from;
	to->serial = b->serial; /* as old as what it was a part of */
	to->begun_ms = b->begun_ms;
	to->visible_ms = b->visible_ms;
	to->closed = b->closed;
}

void
batch_compact(struct batch *b, const bool *gone)
{
	size_t n = 0, bytes = 0, kept = 0, begin, end = 0;

	for (size_t i = 0; i < b->count; i++) {
		struct row r = b->rows[i];
		size_t kept_len = r.id_len + r.payload_len;

		begin = end; /* not ends[i - 1], which may be a moved row's by now */
		end = b->ends[i];
		if (gone[i]) {
			if (r.suspect)
				b->suspects--;
			continue;
		}
		memmove(b->bytes.data + bytes, b->bytes.data + begin, end - begin);
		if (kept_len > 0)
			memmove(b->kept.data + kept, b->kept.data + r.kept_at, kept_len);
		r.kept_at = kept;
		kept += kept_len;
		bytes += end - begin;
		b->ends[n] = bytes;
		b->rows[n++] = r;
	}
	b->count = n;
	b->bytes.len = bytes;
	b->kept.len = kept;
}

struct text
batch_row_id(const struct batch *b, size_t row)
{
	const struct row *r = &b->rows[row];

	return r->id_len > 0 ? text_span(b->kept.data + r->kept_at, r->id_len) : text_of(NULL);
}

struct text
batch_row_payload(const struct batch *b, size_t row)
{
	const struct row *r = &b->rows[row];

	if (r->payload_len == 0)
		return text_of(NULL);
	return text_span(b->kept.data + r->kept_at + r->id_len, r->payload_len);
}

struct rows
batch_rows(const struct batch *b)
{
	return (struct rows){.bytes = b->bytes.data, .ends = b->ends, .count = b->count};
}
