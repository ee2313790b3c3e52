/*
 * The parts of `sfzb ingest`. Private to that command: ingest.c (the whole), ingest_input.c (files as the engine's
 * source), ingest_stores.c (where each file is up to, and rejected rows), ingest_report.c (what is told meanwhile and at
 * the end), and commands/csv.h.
 */
#ifndef SFZB_COMMANDS_INGEST_H
#define SFZB_COMMANDS_INGEST_H

#include <stdio.h>

#include "commands/app.h"
#include "commands/csv.h"
#include "profile/positions.h"
#include "stream/engine.h"

enum ingest_format { INGEST_AUTO, INGEST_NDJSON, INGEST_CSV };

/* Where in a file: behind which record. Everything is zero at its beginning. */
struct ingest_place {
	uint32_t file;	  /* which, from 0 */
	int64_t offset;	  /* bytes up to here */
	int64_t line;	  /* lines up to here */
	uint32_t length;  /* of the record's text, its newline included: the bytes in front of offset … */
	uint64_t print;	  /* … whose fingerprint this is, so that another file is told from this one */
};
/* As a replay id, which is what the engine keeps and the profile stores. */
void ingest_place_pack(const struct ingest_place *p, struct replay_id *id);
bool ingest_place_unpack(struct ingest_place *p, const struct replay_id *id);

struct ingest_file {
	const char *path; /* as given; "-": standard input */
	char *key;	  /* its real path, under which its place is stored; NULL: none is */
	char name[256];	  /* for messages, cleaned */
	int64_t size;	  /* bytes; 0: not known */
	bool is_csv;
	bool has_place;		   /* start was stored by an earlier run */
	struct ingest_place start; /* where this run begins */
	struct ingest_place end;   /* behind the last record read */
	int64_t in_flight;	   /* as in struct position */
};

/*
 * Files, one after another, as one source of the engine: an event is a record, its payload the JSON object, its replay id
 * the place behind it. Reads no more than the engine allows.
 */
struct ingest_input;
struct ingest_input_options {
	struct loop *loop;
	char delimiter;
	const struct record_writer *records; /* of the table: how a CSV cell is written */
};
struct ingest_input *ingest_input_new(const struct ingest_input_options *o, struct ingest_file *files, size_t count);
void ingest_input_free(struct ingest_input *in);
struct source *ingest_input_source(struct ingest_input *in);
/* Records and bytes read so far. */
void ingest_input_progress(const struct ingest_input *in, int64_t *records, int64_t *bytes);
/* Why reading a file ended before its end; ERR_OK: it did not. */
const struct error *ingest_input_failure(const struct ingest_input *in);
/* The whole has been read. */
bool ingest_input_is_at_end(const struct ingest_input *in);

/* Fills name, key, size and is_csv from path; the file must be readable. */
int ingest_file_init(struct ingest_file *f, const char *path, enum ingest_format format, bool resume, struct error *e);
void ingest_file_release(struct ingest_file *f);
/* ERR_POSITION when the file no longer has what lay in front of f->start. */
int ingest_file_check(const struct ingest_file *f, struct error *e);

struct ingest_stores {
	struct ingest_file *files;
	size_t count;
	/* places; NULL: not stored */
	struct positions *positions;
	struct position_lock **locks; /* one a file */
	const struct clock *clock;
	const char *workspace, *table;
	uint32_t stored_file; /* files in front of this one are stored as read */
	/* rejects */
	const char *rejects_path; /* NULL: only told */
	FILE *rejects;
	int64_t rejected;
	char last_reason[400]; /* of rejects, cleaned */
};
/* Opens the profile's ingest.db, locks each file's place and reads it. */
int ingest_stores_resume(struct ingest_stores *s, struct profile *profile, struct error *e);
/* Opens the file of rejects, to append. */
int ingest_stores_open_rejects(struct ingest_stores *s, struct error *e);
struct position_store ingest_stores_positions(struct ingest_stores *s);
struct letter_store ingest_stores_letters(struct ingest_stores *s);
/* The last of the rejects are on the disk. */
int ingest_stores_flush(struct ingest_stores *s, struct error *e);
void ingest_stores_release(struct ingest_stores *s);

struct ingest_report {
	struct ingest_input *input;
	int64_t bytes_total; /* 0: not known */
	bool on_terminal;
	int64_t interval_ms, last_ms, last_stored;
};
void ingest_report_init(struct ingest_report *r, struct ingest_input *input, int64_t bytes_total,
    int64_t interval_ms);
void ingest_report_progress(void *ingest_report, const struct engine_statistics *s);
/* The last word; on standard output with -o json. */
int ingest_report_end(const struct app *app, const struct ingest_report *r, const struct engine_statistics *s,
    int64_t elapsed_ms, struct error *e);

#endif
