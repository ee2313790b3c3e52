/*
 * The error script: what the emulator does wrong on purpose, and when. Rules come from a file
 * (--faults) or over the admin endpoint while it runs; both halves ask at fixed points, and every rule
 * counts how often it struck. Thread-safe. The language is described in faults_help.
 *
 * Full method names are "salesforce.subscribe", "databricks.ingest", "salesforce.token" …; a rule may
 * give the whole name, the part behind the dot, or a glob.
 */
#ifndef SFZB_EMULATOR_FAULTS_H
#define SFZB_EMULATOR_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

struct faults;

enum fault_kind {
	FAULT_NONE,
	FAULT_STATUS,	     /* gRPC: the call ends with status, error_code, message, details */
	FAULT_CUT,	     /* the TCP connection is closed under the call */
	FAULT_STALL,	     /* the call stays open and silent */
	FAULT_DELAY,	     /* duration_ms before it goes on */
	FAULT_HTTP,	     /* HTTP: the answer is http_status with retry_after_s and message as its body */
	FAULT_DROP,	     /* HTTP: the connection closes without an answer */
	FAULT_ACK_DELAY,     /* an acknowledgement goes out duration_ms late */
	FAULT_LOSE_ACK,	     /* durable write done, no acknowledgement, connection cut */
	FAULT_CLOSE_SIGNAL,  /* ingest: a close signal of duration_ms is sent */
	FAULT_EXPIRE,	     /* all tokens issued so far are no longer valid */
	FAULT_DUPLICATE,     /* subscribe: an event is delivered again: same id, a later replay id */
	FAULT_KINDS
};

struct fault {
	enum fault_kind kind;
	int status;	    /* gRPC, 0 … 16 */
	int http_status;
	int64_t duration_ms;
	int64_t retry_after_s; /* 0: no header */
	char error_code[160]; /* trailer error-code; "" none */
	char message[512];    /* "" : the server's usual words */
	char details_b64[1024]; /* grpc-status-details-bin as base64; "" none */
};

struct faults *faults_new(uint64_t seed);
void faults_free(struct faults *f);

/* Replaces (or, with add, extends) the rules by a script. All or nothing: on error nothing changed; "line 3: …". */
int faults_load(struct faults *f, struct text script, bool add, struct error *e);
int faults_load_file(struct faults *f, const char *path, struct error *e);
void faults_clear(struct faults *f);
/* The rules as a script that faults_load reads again, each followed by how often it struck. */
void faults_write(struct faults *f, struct buffer *out);
/* Strikes by rule and by kind, for GET /state. */
void faults_report(struct faults *f, struct json *into);
extern const char faults_help[];

/*
 * A call that has one request and one answer (unary, HTTP): asked once. false: nothing goes wrong.
 * `after` and `every` count such calls.
 */
bool faults_call(struct faults *f, const char *method, struct fault *out);
/* A streaming call begins: rules without `after` and `every`. */
bool faults_start(struct faults *f, const char *method, struct fault *out);
/*
 * On a streaming call, n messages have passed (events delivered for subscribe, requests received for
 * ingest and publish-stream) and count more are about to. true: *before of them go first, then *out
 * happens. Ask again for the rest. n counts from the start of the call.
 */
bool faults_messages(struct faults *f, const char *method, uint64_t n, uint64_t count,
    uint64_t *before, struct fault *out);
/* An answer or acknowledgement after n messages is about to go: ack-delay, lose-ack. */
bool faults_reply(struct faults *f, const char *method, uint64_t n, struct fault *out);
/* A token of one side ("salesforce.tokens", "databricks.tokens") is about to be checked: FAULT_EXPIRE. */
bool faults_tokens(struct faults *f, const char *method);

const char *fault_kind_name(enum fault_kind kind);

#endif
