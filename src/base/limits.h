/*
 * Every ceiling on what a peer or a file may make the program hold, in one place. What passes one
 * fails with an error that names the ceiling; nothing is cut in silence.
 */
#ifndef SFZB_BASE_LIMITS_H
#define SFZB_BASE_LIMITS_H

/* gRPC: the vendor sends at most 3 MB a FetchResponse and 4 MB elsewhere (wire/pubsub.md §1) */
#define LIMIT_GRPC_RECEIVE_BYTES (16 * 1024 * 1024)
#define LIMIT_GRPC_METADATA_BYTES (128 * 1024) /* headers or trailers of one call */
#define LIMIT_UNPACKED_BYTES (128 * 1024 * 1024) /* what one message may unfold to */
#define LIMIT_CA_FILE_BYTES (16 * 1024 * 1024)
/* a whole Zerobus request message (wire/zerobus.md §6) */
#define LIMIT_ZEROBUS_MESSAGE_BYTES (10 * 1024 * 1024)
/* one row; larger ones are set aside before they are sent */
#define LIMIT_ROW_BYTES 10000000
#define LIMIT_SCHEMA_BYTES (4 * 1024 * 1024) /* one Avro schema as JSON */
#define LIMIT_SCHEMA_DEPTH 64		     /* nesting of Avro types */
#define LIMIT_SCHEMA_FIELDS 10000	     /* fields of all records of a schema together */
#define LIMIT_SCHEMAS_IN_MEMORY 1024
#define LIMIT_EVENT_JSON_BYTES (64 * 1024 * 1024) /* what one payload may unfold to */
#define LIMIT_BITMAP_CHILDREN 200000 /* of all compound fields of a record; bitmaps of further ones stay as they came */
#define LIMIT_BITMAP_NAMES 50000 /* that one list of bitmaps may unfold to; further elements stay as they came */
#define LIMIT_REPLAY_ID_BYTES 64
#define LIMIT_SCHEMA_ID_BYTES 64
#define LIMIT_HTTP_BODY_BYTES (64 * 1024 * 1024)
#define LIMIT_HTTP_HEADER_BYTES (256 * 1024)
#define LIMIT_QUERY_PAGES 10000 /* of one Salesforce query */
#define LIMIT_TOKEN_BYTES 16384
#define LIMIT_STREAM_HEADERS 64
#define LIMIT_JSON_DEPTH 100
#define LIMIT_SETTINGS_BYTES (1024 * 1024) /* a file of the profile */
#define LIMIT_REPLAY_FILE_BYTES (64 * 1024 * 1024) /* of 'replay import' */
#define LIMIT_LINE_BYTES (16 * 1024 * 1024) /* one line of NDJSON input */
#define LIMIT_SQL_STATEMENT_BYTES (16 * 1024 * 1024) /* the service takes no longer one */
#define LIMIT_SQL_RESULT_BYTES (256 * 1024 * 1024) /* rows of one query kept in memory */
#define LIMIT_COLUMNS 2000 /* of a table (wire/zerobus.md §6) */
#define LIMIT_TYPE_DEPTH 100 /* nesting of a column's type */

#endif
