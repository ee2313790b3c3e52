/*
 * The engine's upper port: where events come from. salesforce/ implements it, tests fake it.
 *
 * One source is one topic. Its owner calls open; from then on the source answers through the
 * callbacks, always from the loop's thread and never from inside open, allow or close. Events come
 * decoded and in the topic's order; whatever the source needs for that (a schema it has not seen yet)
 * it gets by itself, and later events wait behind.
 */
#ifndef SFZB_STREAM_SOURCE_H
#define SFZB_STREAM_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/replay_id.h"
#include "base/text.h"

/* Where a subscription starts. */
enum start_kind { START_LATEST, START_EARLIEST, START_AFTER };
struct start {
	enum start_kind kind;
	struct replay_id after; /* START_AFTER: strictly behind this one */
};

/*
 * One event, decoded; everything is borrowed for the call. Texts that the event has no value for
 * have data == NULL. Of a platform event (no ChangeEventHeader) entity and change_type are
 * "UNKNOWN", change_origin is "", the lists are empty, and commit_timestamp_ms is its CreatedDate.
 */
struct event {
	struct text topic; /* as subscribed, "/data/AccountChangeEvent" */
	struct replay_id replay_id;
	struct text id;		 /* ProducerEvent.id, the deduplication key */
	struct text schema_id;
	struct text schema_json; /* byte for byte as served */
	struct text payload;	 /* the raw Avro datum */
	struct text org_id;
	struct text record_name; /* of the Avro schema: "AccountChangeEvent", "Order__e" */
	bool is_change;		 /* has a ChangeEventHeader */
	bool is_gap;		 /* says that a change happened, and has none of its data (GAP_CREATE …) */
	struct text entity, change_type, change_origin;
	struct text transaction_key, commit_user;
	int32_t sequence_number;
	int64_t commit_timestamp_ms; /* since 1970 UTC */
	int64_t commit_number;
	struct text_list record_ids;
	struct text_list changed_fields, nulled_fields, diff_fields; /* names, children written out */
	struct text record_json;  /* every field but ChangeEventHeader, nulls written; one JSON object */
	struct text changed_json; /* only changed and nulled fields; the whole record for creates */
	int64_t received_ms;	  /* wall clock */
};

struct source_events {
	/* The first response of this subscription came, or the server took it and said nothing for some seconds: it works. */
	void (*opened)(void *context);
	void (*event)(void *context, const struct event *event);
	/*
	 * An event that cannot be decoded. Of event only topic, replay_id, id, schema_id, payload, org_id and
	 * received_ms are set. It counts as delivered: whoever takes it must keep it.
	 */
	void (*undecodable)(void *context, const struct event *event, const struct error *why);
	/* An event that the source keeps to itself, as one too old: a sign of life, and behind us. Only from sources that do so. */
	void (*left_out)(void *context, const struct event *event);
	/* Nothing undelivered up to here: an empty response, while credit was outstanding. len may be 0. */
	void (*idle)(void *context, const struct replay_id *latest);
	/*
	 * The subscription is over; open may be called again. ERR_OK only after close or when the
	 * server ended it in good order; ERR_POSITION when the start was refused.
	 */
	void (*ended)(void *context, const struct error *why);
};

struct source;

struct source_ops {
	/* Begins a subscription. Never blocks, never fails: trouble comes as `ended`. */
	void (*open)(struct source *s, const struct start *start, const struct source_events *events,
	    void *context);
	/*
	 * The number of events that may still be taken from now on; replaces what was said before. The
	 * source keeps its credit at the server within it (and within the vendor's 100). 0 lets the
	 * credit run out; a source that stays at 0 so long that the server would close ends with ERR_OK.
	 */
	void (*allow)(struct source *s, uint32_t events);
	/* Ends the subscription in good order; `ended` follows, no `event` after this call. */
	void (*close)(struct source *s);
};

struct source {
	const struct source_ops *ops;
	const char *topic; /* full name */
	/*
	 * Set by the owner: its events may reach the same table from elsewhere too, such as a channel that holds other
	 * topics' events. What is not surely known to be new is then looked up.
	 */
	bool shared;
	/* It leaves out events at its start, so that not the start but its first event is the place to begin again at. */
	bool skips;
};

#endif
