/*
 * What both halves share: options, clock, error script, identity, directory; and how a half plugs in.
 * A half opens its stores and listeners, adds its settings to the profile `emulator`, and reports its counts.
 */
#ifndef SFZB_EMULATOR_EMULATOR_H
#define SFZB_EMULATOR_EMULATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "emulator/faults.h"
#include "emulator/tls.h"
#include "emulator/web.h"

#define EMULATOR_FIELD_CHANGES 16

struct emulator_options {
	const char *directory; /* NULL: a private temporary one, removed at the end */
	uint64_t seed;
	double rate;	  /* events a second; 0: only what is asked for */
	uint64_t events;  /* made at the start */
	const char *objects; /* "Account,Contact,…"; NULL: all */
	const char *enrich;  /* "Account.Industry,Contact.Email": enriched fields of the custom channel; NULL: none */
	/* "Account.Region__c:Text@500": what administrators do to the objects' fields (schema_change_parse) */
	struct emulator_field_change {
		const char *text;
		bool drops;
	} field_changes[EMULATOR_FIELD_CHANGES];
	size_t field_change_count;
	const char *faults_file;
	uint16_t salesforce_port, databricks_port, pubsub_port, zerobus_port, admin_port; /* 0: any */
	int64_t visibility_delay_ms; /* from a durable acknowledgement to visible in SQL */
	int64_t retention_ms;	     /* of the bus */
	int64_t warehouse_start_ms;  /* of the SQL warehouse; 0: it runs from the beginning */
	int64_t ack_interval_ms;     /* acknowledgements of ingested rows are held back and merged so long */
	int64_t connection_age_ms;   /* gRPC connections of this age are ended with GOAWAY; 0: never */
	bool synchronous_full;	     /* each commit of ingested rows is flushed to the disk */
	int64_t token_lifetime_ms;
	bool rotates_refresh_tokens; /* each use gives a new one and ends the old one */
	int64_t clock_offset_ms; /* of the emulator's clock against the machine's */
	uint32_t clock_speed;	 /* its seconds in one of the machine's */
	int64_t keepalive_ms; /* of Subscribe */
	int64_t managed_slot_ms;     /* that a broken connection holds a managed subscription */
	int64_t managed_patience_ms; /* without a commit */
	uint64_t publish_limit;	 /* events of clients in an hour */
	uint64_t delivery_limit; /* events to all subscribers in 24 hours */
	uint64_t api_limit;	 /* REST calls in 24 hours */
	uint64_t client_limit;	 /* streams of the Pub/Sub API at a time */
	uint64_t fetch_rate;	 /* requests a second on one subscription; 0: any number */
	int64_t zero_credit_ms;	 /* that a subscription lives without credit */
	int64_t publish_idle_ms; /* that a publish stream lives without an event */
	int64_t latest_delay_ms; /* until LATEST finds its place: what comes meanwhile is missed */
	int64_t commit_interval_ms; /* commits are answered so late, several at once */
	uint64_t ingest_rate;	 /* records a second on one ingest stream; 0: any number */
	uint64_t ingest_opens;	 /* ingest streams opened for a table in a minute; 0: any number */
	int64_t ingest_idle_ms;	 /* that an ingest stream lives without a message; 0: for ever */
	int64_t poll_lag_ms;	 /* that a poll for a statement is behind */
	bool token_ends_streams; /* a stream's next request fails once its token has ended */
	bool quiet;
};

struct emulator {
	const struct emulator_options *options;
	const struct clock *clock; /* wall time may run ahead and fast, monotonic time never does */
	struct faults *faults;
	struct tls_identity identity;
	char *directory; /* exists, 0700; files of the halves live here */
};

/* One half (or the admin's share of one). Members but open and close may be NULL. */
struct part {
	const char *name;	   /* "salesforce", "databricks" */
	const char *settings_file; /* in the profile: "databricks.json" */
	/* Opens stores and listeners, makes `events`. NULL and the error on failure. */
	void *(*open)(struct emulator *em, struct error *e);
	/* Members of the settings file (main adds "emulator": true and "ca_file"). */
	void (*settings)(void *part, struct json *settings);
	/* One line each for people: "  catalog   https://localhost:…\n" */
	void (*describe)(void *part, struct buffer *out);
	/* Members for GET /state, under the part's name. Any thread. */
	void (*report)(void *part, struct json *state);
	/* Routes of its own on the admin listener; NULL-ended table, context is the part. */
	const struct web_route *admin_routes;
	/* The emulator ends: requests that take long or wait have their answers soon. Before anything is closed. */
	void (*end)(void *part);
	void (*close)(void *part);
};

/* Whether a signal that ends the emulator waits to be taken: for what takes long while all is opened. */
bool emulator_is_interrupted(void);

/* Kept across restarts in the directory: a text made once by make (e.g. a client secret), in file `name`. malloc'ed. */
char *emulator_keep(struct emulator *em, const char *name, char *(*make)(void), struct error *e);

#endif
