/*
 * The parts of `sfzb tail`. Private to that command: tail.c (the whole), tail_print.c (the forms of an event),
 * tail_avro.c (one of them), tail_manual.c (more of the man page).
 */
#ifndef SFZB_COMMANDS_TAIL_H
#define SFZB_COMMANDS_TAIL_H

#include "cli/filter.h"
#include "commands/app.h"
#include "commands/managed.h"
#include "commands/print_sink.h"
#include "commands/pump.h"
#include "commands/raw_event.h"
#include "commands/sift.h"
#include "commands/subscription.h"

struct tail_options {
	const char *from, *table, *entity, *change_type, *filter, *transform, *format, *managed;
	int64_t limit, timeout_ms, quiet_for_ms, max_retries, quota_interval_ms;
	bool until_caught_up, changes, explode, raw;
	int on_lost;
};

enum tail_form {
	TAIL_JSON,
	TAIL_LINE,
	TAIL_TABLE,
	TAIL_AVRO,
	TAIL_RAW,
	TAIL_FORMAT,
	TAIL_TRANSFORM,
};

/* An Avro object container file on its way: all of one schema. */
struct tail_avro {
	char *schema_id; /* NULL: nothing written yet */
	uint8_t sync[16];
};

struct tail {
	struct app *app;
	const struct tail_options *options;
	enum tail_form form;
	struct pump *pump;
	struct quota *quota;
	struct print_sink *sink;
	struct subscriptions topics;
	struct managed_store commits;
	struct sift_source *sifts; /* one a topic; NULL: nothing is left out */
	struct filter *filter, *transform;
	struct raw_schemas schemas; /* written with --raw; else those of the lines for people */
	struct tail_avro avro;
	struct buffer scratch;
	size_t columns;
	bool titles_printed, said_ready;
	long long misfits; /* events that the form or a jq program could not take */
};

/* The form that options and -o ask for; ERR_USAGE when they ask for two. */
int tail_choose_form(struct tail *t, struct error *e);
/* Appends the event in the form asked for. ERR_REFUSED: it cannot be. */
int tail_print(struct tail *t, const struct event *event, struct buffer *out, struct error *e);
/* One that could not be decoded, or not be printed; nothing in most forms. */
void tail_print_undecodable(struct tail *t, const struct event *event, const struct error *why, struct buffer *out);

/* Appends header and block. ERR_REFUSED: of another schema than those before. */
int tail_avro_print(struct tail_avro *a, const struct event *event, struct buffer *out, struct error *e);

/* The man page's section on JSON. */
void tail_manual(struct buffer *man);

#endif
