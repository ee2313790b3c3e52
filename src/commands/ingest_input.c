#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/memory.h"
#include "commands/ingest.h"
#include "commands/lines.h"

#define AT_ONCE 1000 /* records in one go, so that acknowledgements and signals get their turn */
#define PLACE_BYTES 32

struct ingest_input {
	struct source port; /* first: operations get its address */
	struct ingest_input_options options;
	struct ingest_file *files;
	size_t count, at;
	struct lines *lines; /* of files[at]; NULL: not open yet */
	struct csv_header header;
	bool has_header;
	struct buffer record; /* of several lines, without the last newline */
	struct buffer json;   /* one record of a CSV file */
	int64_t record_begin; /* its offset */
	int64_t line_begin;   /* offset of the line to come */

	const struct source_events *events;
	void *context;
	uint32_t allowed;
	bool open, closing, advancing, at_end;
	struct error failure; /* to be told as the end */
	struct loop_timer timer;
	int64_t records, bytes;
};

/* ---- places */

static void
put_number(uint8_t *out, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
}

static uint64_t
get_number(const uint8_t *from, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v = v << 8 | from[i];
	return v;
}

void
ingest_place_pack(const struct ingest_place *p, struct replay_id *id)
{
	id->len = PLACE_BYTES;
	put_number(id->bytes, p->file, 4);
	put_number(id->bytes + 4, (uint64_t)p->offset, 8);
	put_number(id->bytes + 12, (uint64_t)p->line, 8);
	put_number(id->bytes + 20, p->length, 4);
	put_number(id->bytes + 24, p->print, 8);
}

bool
ingest_place_unpack(struct ingest_place *p, const struct replay_id *id)
{
	if (id->len != PLACE_BYTES)
		return false;
	*p = (struct ingest_place){
		.file = (uint32_t)get_number(id->bytes, 4),
		.offset = (int64_t)get_number(id->bytes + 4, 8),
		.line = (int64_t)get_number(id->bytes + 12, 8),
		.length = (uint32_t)get_number(id->bytes + 20, 4),
		.print = get_number(id->bytes + 24, 8),
	};
	return p->offset >= 0 && p->line >= 0 && p->length <= p->offset;
}

/* ---- files */

static bool
is_csv(const char *path, enum ingest_format format)
{
	const char *dot = strrchr(path, '.');

	return format == INGEST_CSV || (format == INGEST_AUTO && dot != NULL && strcasecmp(dot, ".csv") == 0);
}

int
ingest_file_init(struct ingest_file *f, const char *path, enum ingest_format format, bool resume, struct error *e)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct stat st;

	*f = (struct ingest_file){.path = path, .is_csv = is_csv(path, format)};
	text_clean(f->name, sizeof(f->name), text_of(is_stdin ? "standard input" : path));
	if (is_stdin) {
		if (!resume)
			return 0;
		error_set(e, ERR_USAGE, "--resume needs files: standard input cannot be gone back to");
		return error_hint(e, "name the files on the command line");
	}
	if (access(path, R_OK) != 0 || stat(path, &st) != 0)
		return error_set_errno(e, ERR_USAGE, errno, "cannot read '%s'", f->name);
	if (S_ISDIR(st.st_mode))
		return error_set(e, ERR_USAGE, "'%s' is a directory", f->name);
	if (S_ISREG(st.st_mode))
		f->size = (int64_t)st.st_size;
	if (!resume)
		return 0;
	if (!S_ISREG(st.st_mode))
		return error_set(e, ERR_USAGE, "--resume needs files, and '%s' is none", f->name);
	f->key = realpath(path, NULL);
	if (f->key == NULL)
		return error_set_errno(e, ERR_USAGE, errno, "cannot read '%s'", f->name);
	return 0;
}

void
ingest_file_release(struct ingest_file *f)
{
	free(f->key);
	f->key = NULL;
}

/* Whether the bytes from the last record on, one more than it had, still are it. */
static bool
is_same(const struct ingest_place *p, struct text found)
{
	static const char mark[] = "\xEF\xBB\xBF"; /* in front of a file, and of no record */
	struct text record = found;
	bool had_newline;

	if (found.len < p->length)
		return false;
	record.len = p->length;
	if (p->offset == p->length && text_starts(record, mark))
		record = text_span(record.data + 3, record.len - 3);
	had_newline = record.len > 0 && record.data[record.len - 1] == '\n';
	record.len -= had_newline;
	/* a last line without its newline may have been written on */
	if (!had_newline && found.len > p->length && strchr("\r\n", found.data[p->length]) == NULL)
		return false;
	return text_hash(record) == p->print;
}

int
ingest_file_check(const struct ingest_file *f, struct error *e)
{
	struct buffer b = BUFFER_INIT;
	int fd = open(f->path, O_RDONLY | O_CLOEXEC), rc = 0;
	ssize_t n = -1;

	if (fd < 0)
		return error_set_errno(e, ERR_USAGE, errno, "cannot read '%s'", f->name);
	if (f->start.length <= 2 * LIMIT_LINE_BYTES + 2) {
		buffer_reserve(&b, f->start.length + (size_t)1);
		n = pread(fd, b.data, f->start.length + (size_t)1, (off_t)(f->start.offset - f->start.length));
	}
	if (n < 0 || !is_same(&f->start, text_span(b.data, (size_t)n))) {
		rc = error_set(e, ERR_POSITION, "'%s' is not as it was: line %lld has changed or gone", f->name,
		    (long long)f->start.line);
		error_hint(e, "without --resume it is ingested from its beginning");
	}
	close(fd);
	buffer_release(&b);
	return rc;
}

/* ---- reading */

static void advance(struct ingest_input *in);

static void
wake(void *context)
{
	advance(context);
}

static void
schedule(struct ingest_input *in)
{
	if (!in->advancing && !loop_timer_is_running(&in->timer))
		loop_timer_start(in->options.loop, &in->timer, 0, wake, in);
}

static int
open_file(struct ingest_input *in, struct error *e)
{
	struct ingest_file *f = &in->files[in->at];

	in->lines = lines_open(in->options.loop, f->path, wake, in, e);
	if (in->lines == NULL)
		return -1;
	lines_keep_returns(in->lines); /* they are part of what a fingerprint is of */
	f->end = f->start;
	f->end.file = (uint32_t)in->at;
	in->has_header = false;
	in->line_begin = in->record_begin = 0;
	buffer_clear(&in->record);
	/* a CSV file is read from its header on, whatever was ingested already */
	if (f->start.offset > 0 && !f->is_csv) {
		in->line_begin = in->record_begin = f->start.offset;
		return lines_seek(in->lines, f->start.offset, f->start.line, e);
	}
	return 0;
}

static void
close_file(struct ingest_input *in)
{
	lines_close(in->lines);
	in->lines = NULL;
}

/* One record goes to the engine, text as it stands in the file; a reason makes it one that cannot be read. */
static void
deliver(struct ingest_input *in, struct text text, struct text payload, const struct error *why)
{
	struct ingest_file *f = &in->files[in->at];
	int64_t end = lines_offset(in->lines);
	struct event event = {
		.topic = text_of(in->port.topic),
		.received_ms = clock_wall_ms(loop_clock(in->options.loop)),
		.payload = payload,
	};

	f->end = (struct ingest_place){.file = (uint32_t)in->at,
	    .offset = end,
	    .line = lines_number(in->lines),
	    .length = (uint32_t)(end - in->record_begin),
	    .print = text_hash(text)};
	ingest_place_pack(&f->end, &event.replay_id);
	in->records++;
	if (in->allowed > 0)
		in->allowed--;
	if (why != NULL)
		in->events->undecodable(in->context, &event, why);
	else
		in->events->event(in->context, &event);
}

static struct text
without_return(struct text s)
{
	if (s.len > 0 && s.data[s.len - 1] == '\r')
		s.len--;
	return s;
}

static bool
is_blank(struct text s)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr(" \t\r", s.data[i]) == NULL || s.data[i] == '\0')
			return false;
	return true;
}

/* A line of delimiters that are tabs has cells, though empty ones. */
static bool
has_no_cells(const struct ingest_input *in, struct text record)
{
	return is_blank(record) && memchr(record.data, in->options.delimiter, record.len) == NULL;
}

/* The text of a record that ends with this line; false: it goes on in the next. */
static bool
complete_record(struct ingest_input *in, struct text line, struct text *record)
{
	bool goes_on = in->record.len > 0, is_open = csv_is_open(line, in->options.delimiter, goes_on);

	*record = line;
	if (!goes_on && !is_open)
		return true;
	if (goes_on)
		buffer_append_byte(&in->record, '\n');
	buffer_append(&in->record, line.data, line.len);
	*record = buffer_span(&in->record);
	return !is_open;
}

static int
take_csv(struct ingest_input *in, struct text record, struct error *e)
{
	const struct ingest_file *f = &in->files[in->at];
	struct text bare = without_return(record);
	struct error why = ERROR_INIT;

	if (!in->has_header) {
		if (has_no_cells(in, record))
			return 0;
		if (csv_header_set(&in->header, bare, in->options.delimiter, in->options.records, e) != 0)
			return error_wrap(e, "'%s'", f->name);
		in->has_header = true;
		return 0;
	}
	if (has_no_cells(in, record) || in->record_begin < f->start.offset)
		return 0;
	buffer_clear(&in->json);
	if (csv_write_json(&in->header, bare, &in->json, &why) != 0)
		deliver(in, record, bare, &why);
	else
		deliver(in, record, buffer_span(&in->json), NULL);
	return 0;
}

static int
take_line(struct ingest_input *in, struct text line, struct error *e)
{
	int64_t start = in->files[in->at].start.offset, end = lines_offset(in->lines);
	struct text record = line;
	int rc = 0;

	/* a CSV file is read from its header on, and counts from where it goes on */
	if (end > start)
		in->bytes += end - (in->line_begin > start ? in->line_begin : start);
	in->line_begin = end;
	if (!in->files[in->at].is_csv) {
		if (!is_blank(line))
			deliver(in, line, without_return(line), NULL);
	} else if (complete_record(in, line, &record)) {
		rc = take_csv(in, record, e);
		buffer_clear(&in->record);
	} else if (in->record.len > LIMIT_LINE_BYTES) {
		rc = error_set(e, ERR_REFUSED, "'%s': the quoted cell in line %lld is longer than %d bytes",
		    in->files[in->at].name, lines_number(in->lines), LIMIT_LINE_BYTES);
	} else {
		return 0;
	}
	in->record_begin = in->line_begin;
	return rc;
}

/* The end of a file: what is left of a record that never ended is one that cannot be read. */
static void
end_file(struct ingest_input *in)
{
	struct error why = ERROR_INIT;

	if (in->record.len > 0) {
		error_set(&why, ERR_REFUSED, "a quoted cell has no end");
		deliver(in, buffer_span(&in->record), buffer_span(&in->record), &why);
		buffer_clear(&in->record);
	}
	close_file(in);
	in->at++;
}

/* 1: go on; 0: wait. */
static int
step(struct ingest_input *in)
{
	struct replay_id none = {.len = 0};
	struct text line;
	int rc;

	if (in->at == in->count) {
		if (!in->at_end)
			in->events->idle(in->context, &none);
		in->at_end = true;
		return 0;
	}
	if (in->lines == NULL && open_file(in, &in->failure) != 0)
		goto failed;
	rc = lines_next(in->lines, &line, &in->failure);
	if (rc == 0)
		return 0;
	if (rc < 0 && in->failure.code == ERR_OK) {
		end_file(in);
		return 1;
	}
	if (rc > 0 && take_line(in, line, &in->failure) == 0)
		return 1;
failed:
	if (error_disposition(in->failure.code) == DISPOSITION_SET_ASIDE)
		in->failure.code = ERR_FAILED; /* not one record's fault: where the next begins is not known */
	in->closing = true;
	return 1;
}

static void
advance(struct ingest_input *in)
{
	int taken = 0;

	if (!in->open || in->advancing)
		return;
	in->advancing = true;
	while (!in->closing && in->allowed > 0 && taken < AT_ONCE && step(in) > 0)
		taken++;
	in->advancing = false;
	if (in->closing) {
		in->open = false;
		in->events->ended(in->context, &in->failure);
	} else if (taken == AT_ONCE) {
		schedule(in);
	}
}

/* ---- the port */

static struct ingest_input *
of(struct source *s)
{
	return (struct ingest_input *)(void *)s;
}

/* Where to start the files know; opened again, it goes on where it stopped. */
static void
input_open(struct source *s, const struct start *start, const struct source_events *events, void *context)
{
	struct ingest_input *in = of(s);

	(void)start;
	in->events = events;
	in->context = context;
	in->open = true;
	in->closing = false;
	in->allowed = 0;
	error_clear(&in->failure);
}

static void
input_allow(struct source *s, uint32_t events)
{
	of(s)->allowed = events;
	if (events > 0)
		schedule(of(s));
}

static void
input_close(struct source *s)
{
	of(s)->closing = true;
	schedule(of(s));
}

static const struct source_ops ops = {.open = input_open, .allow = input_allow, .close = input_close};

struct ingest_input *
ingest_input_new(const struct ingest_input_options *o, struct ingest_file *files, size_t count)
{
	struct ingest_input *in = memory_zero(1, sizeof(*in));

	in->port = (struct source){.ops = &ops, .topic = "input"};
	in->options = *o;
	in->files = files;
	in->count = count;
	return in;
}

void
ingest_input_free(struct ingest_input *in)
{
	if (in == NULL)
		return;
	loop_timer_stop(in->options.loop, &in->timer);
	close_file(in);
	csv_header_release(&in->header);
	buffer_release(&in->record);
	buffer_release(&in->json);
	free(in);
}

struct source *
ingest_input_source(struct ingest_input *in)
{
	return &in->port;
}

void
ingest_input_progress(const struct ingest_input *in, int64_t *records, int64_t *bytes)
{
	*records = in->records;
	*bytes = in->bytes;
}

const struct error *
ingest_input_failure(const struct ingest_input *in)
{
	return &in->failure;
}

bool
ingest_input_is_at_end(const struct ingest_input *in)
{
	return in->at_end;
}
