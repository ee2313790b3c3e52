#include "commands/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/memory.h"

#define CHUNK_BYTES 65536

struct lines {
	struct loop *loop;
	struct worker *reader;
	loop_function *ready;
	void *context;
	int fd, wake; /* wake: an eventfd that ends a wait */
	bool owns_fd;
	char name[256]; /* for messages, cleaned */
	/* the loop's */
	struct buffer held; /* read, from `at` on not handed out */
	size_t at, searched;
	bool reading, ended;
	struct error failure;
	long long number;
	int64_t before; /* bytes of the file in front of `held` */
	bool keep_returns;
	/* the reader's while `reading` */
	uint8_t chunk[CHUNK_BYTES];
	ssize_t chunk_len;
	int chunk_errno;
};

static void
read_chunk(void *context)
{
	struct lines *l = context;
	struct pollfd fds[] = {{.fd = l->fd, .events = POLLIN}, {.fd = l->wake, .events = POLLIN}};

	do {
		l->chunk_len = -1;
		l->chunk_errno = EINTR;
		if (poll(fds, 2, -1) >= 0 && fds[1].revents == 0) {
			l->chunk_len = read(l->fd, l->chunk, sizeof(l->chunk));
			l->chunk_errno = errno;
		}
	} while (l->chunk_len < 0 && (l->chunk_errno == EINTR || l->chunk_errno == EAGAIN) && fds[1].revents == 0);
}

static void
chunk_done(void *context)
{
	struct lines *l = context;

	l->reading = false;
	if (l->chunk_len > 0)
		buffer_append(&l->held, l->chunk, (size_t)l->chunk_len);
	else
		l->ended = true;
	if (l->chunk_len < 0)
		error_set_errno(&l->failure, ERR_FAILED, l->chunk_errno, "cannot read %s", l->name);
	l->ready(l->context);
}

struct lines *
lines_open(struct loop *loop, const char *path, loop_function *ready, void *context, struct error *e)
{
	bool is_stdin = path == NULL || strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct lines *l;

	if (fd < 0) {
		error_set_errno(e, ERR_USAGE, errno, "cannot open '%s'", path);
		return NULL;
	}
	l = memory_zero(1, sizeof(*l));
	l->loop = loop;
	l->ready = ready;
	l->context = context;
	l->fd = fd;
	l->owns_fd = !is_stdin;
	l->wake = eventfd(0, EFD_CLOEXEC);
	if (is_stdin)
		strcpy(l->name, "standard input");
	else
		text_clean(l->name, sizeof(l->name), text_of(path));
	l->reader = worker_new(loop, "input");
	return l;
}

/* Drops what was handed out, so that a chunk and one line are all that is ever held. */
static void
compact(struct lines *l)
{
	if (l->at == 0)
		return;
	l->before += (int64_t)l->at;
	memmove(l->held.data, l->held.data + l->at, l->held.len - l->at);
	l->held.len -= l->at;
	l->searched -= l->at;
	l->at = 0;
}

int
lines_next(struct lines *l, struct text *line, struct error *e)
{
	const uint8_t *from = l->held.data + l->searched;
	const uint8_t *end = l->held.len > l->searched ? memchr(from, '\n', l->held.len - l->searched) : NULL;
	size_t stop;

	if (end == NULL && !(l->ended && l->held.len > l->at)) {
		l->searched = l->held.len;
		if (l->ended) {
			*e = l->failure;
			return -1;
		}
		if (l->held.len - l->at > LIMIT_LINE_BYTES)
			return error_set(e, ERR_REFUSED, "line %lld of %s is longer than %d bytes", l->number + 1, l->name,
			    LIMIT_LINE_BYTES);
		if (!l->reading) {
			compact(l);
			l->reading = true;
			worker_submit(l->reader, read_chunk, chunk_done, l);
		}
		return 0;
	}
	stop = end != NULL ? (size_t)(end - l->held.data) : l->held.len;
	*line = text_span(l->held.data + l->at, stop - l->at);
	if (!l->keep_returns && line->len > 0 && line->data[line->len - 1] == '\r')
		line->len--;
	if (l->number == 0 && text_starts(*line, "\xEF\xBB\xBF")) { /* of files that were written on Windows */
		line->data += 3;
		line->len -= 3;
	}
	l->at = l->searched = end != NULL ? stop + 1 : stop;
	l->number++;
	return 1;
}

long long
lines_number(const struct lines *l)
{
	return l->number;
}

int64_t
lines_offset(const struct lines *l)
{
	return l->before + (int64_t)l->at;
}

int
lines_seek(struct lines *l, int64_t offset, long long number, struct error *e)
{
	if (lseek(l->fd, (off_t)offset, SEEK_SET) < 0)
		return error_set_errno(e, ERR_USAGE, errno, "cannot go on in the middle of %s", l->name);
	l->before = offset;
	l->number = number;
	return 0;
}

void
lines_keep_returns(struct lines *l)
{
	l->keep_returns = true;
}

void
lines_close(struct lines *l)
{
	uint64_t one = 1;

	if (l == NULL)
		return;
	while (write(l->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	worker_free(l->reader);
	close(l->wake);
	if (l->owns_fd)
		close(l->fd);
	buffer_release(&l->held);
	free(l);
}
