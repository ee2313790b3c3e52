/*
 * How rows are sent, as the user may set it: the options that stream and ingest share, and what they do to the
 * engine and to a table's sink. Users of the vendor's ingest SDKs find all of theirs here:
 *
 *   record_type                      --record-type           recovery_timeout_ms              --open-timeout
 *   max_inflight_requests, _records  --max-in-flight-rows    recovery_backoff_ms              --retry-backoff
 *   max_ingest_payload_bytes         --batch-bytes           recovery_retries                 --max-retries
 *   server_lack_of_ack_timeout_ms    --ack-timeout           recovery                         --[no-]recovery
 *   stream_paused_max_wait_time_ms   --close-wait            flush_timeout_ms                 --flush-timeout
 *   headers_provider                 --headers-helper        application_name                 --application-name
 *   multiplexed streams              --streams
 *
 * but for ack_callback and callback_max_wait_time_ms: there is no code of the user's to call.
 */
#ifndef SFZB_COMMANDS_TUNING_H
#define SFZB_COMMANDS_TUNING_H

#include "cli/option.h"
#include "databricks/config.h"
#include "databricks/sink.h"
#include "stream/backoff.h"
#include "stream/engine.h"

struct tuning {
	int64_t streams, max_retries, batch_rows, batch_bytes, linger_ms, max_rows, max_bytes;
	int64_t ack_timeout_ms, open_timeout_ms, flush_timeout_ms, close_wait_ms;
	const char *backoff, *headers_helper, *application_name;
	int record_type; /* enum tuning_record */
	bool recovery;
};
enum tuning_record { TUNING_PROTO, TUNING_JSON };
#define TUNING_STREAMS_MAX 32 /* the vendor counts 100 openings a minute as misuse */

/* A default that is defined as a number, as the text that option tables have. */
#define TUNING_TEXT(macro) TUNING_TEXT_OF(macro)
#define TUNING_TEXT_OF(number) #number

/* Rows of an option table of a struct `type` that has a member `tuning`. */
#define TUNING_OPTIONS(type) \
	OPTION_CHOICE(0, "record-type", type, tuning.record_type, "proto|json", "proto", \
	    "how rows are sent: protocol buffers made from the table's columns, or JSON"), \
	OPTION_INTEGER(0, "streams", type, tuning.streams, "<count>", "1", \
	    "ingest streams to each table; with more than one, order is kept for each record, not for the topic", \
	    .min = 1, .max = TUNING_STREAMS_MAX), \
	OPTION_STRING(0, "headers-helper", type, tuning.headers_helper, "<command>", NULL, \
	    "run by the shell at each opening of an ingest stream: the headers that it prints (name: value) are " \
	    "sent; an authorization among them replaces the token", .environment = "SFZB_HEADERS_HELPER"), \
	OPTION_STRING(0, "application-name", type, tuning.application_name, "<name>", NULL, \
	    "add this to the user agent that the ingest service is told"), \
	OPTION_FLAG(0, "recovery", type, tuning.recovery, \
	    "end at the first failure of a connection, do not open another", .default_text = "yes"), \
	OPTION_INTEGER(0, "max-retries", type, tuning.max_retries, "<count>", TUNING_TEXT(ENGINE_MAX_RETRIES), \
	    "give up after so many failures in a row (-1: never)", .min = -1, .max = INT64_MAX), \
	OPTION_STRING(0, "retry-backoff", type, tuning.backoff, "<first..last>", \
	    TUNING_TEXT(BACKOFF_FIRST_S) "s.." TUNING_TEXT(BACKOFF_LAST_S) "s", \
	    "wait up to so long before the first retry, doubling up to the last; drawn at random within that"), \
	OPTION_INTEGER(0, "batch-rows", type, tuning.batch_rows, "<rows>", TUNING_TEXT(ENGINE_BATCH_ROWS), \
	    "send a batch at this many rows", .min = 1, .max = 100000), \
	OPTION_BYTES(0, "batch-bytes", type, tuning.batch_bytes, "<bytes>", TUNING_TEXT(ENGINE_BATCH_MIB) "M", \
	    "or at this many bytes", .min = 1024, .max = 10 * 1024 * 1024), \
	OPTION_DURATION(0, "linger", type, tuning.linger_ms, "<time>", TUNING_TEXT(ENGINE_LINGER_MS) "ms", \
	    "or so long after its first row"), \
	OPTION_INTEGER(0, "max-in-flight-rows", type, tuning.max_rows, "<rows>", TUNING_TEXT(ENGINE_MAX_ROWS), \
	    "hold at most this many rows in memory", .min = 1, .max = 10000000), \
	OPTION_BYTES(0, "max-in-flight-bytes", type, tuning.max_bytes, "<bytes>", TUNING_TEXT(ENGINE_MAX_MIB) "M", \
	    "and this many bytes", .min = 65536, .max = INT64_C(1) << 40), \
	OPTION_DURATION(0, "ack-timeout", type, tuning.ack_timeout_ms, "<time>", TUNING_TEXT(ENGINE_ACK_TIMEOUT_S) "s", \
	    "give up an ingest stream when its oldest row has waited so long", .min = 1000), \
	OPTION_DURATION(0, "open-timeout", type, tuning.open_timeout_ms, "<time>", TUNING_TEXT(ZEROBUS_OPEN_TIMEOUT_S) "s", \
	    "an ingest stream may take so long to open, its token included", .min = 1000), \
	OPTION_DURATION(0, "flush-timeout", type, tuning.flush_timeout_ms, "<time>", TUNING_TEXT(ENGINE_DRAIN_TIMEOUT_S) "s", \
	    "after a signal, wait so long for what is in flight"), \
	OPTION_DURATION(0, "close-wait", type, tuning.close_wait_ms, "<time>", TUNING_TEXT(ENGINE_CLOSE_WAIT_H) "h", \
	    "when the server asks to close an ingest stream, wait for acknowledgements as long as it grants, but " \
	    "no longer than this")

/* ERR_USAGE when --retry-backoff is no range, or --application-name none that can be sent. */
int tuning_apply(const struct tuning *t, struct engine_options *o, struct error *e);
enum row_format tuning_format(const struct tuning *t);
/* The channel to the ingest service. */
struct channel *tuning_channel(const struct tuning *t, struct loop *l, const struct databricks_config *c, struct error *e);

#endif
