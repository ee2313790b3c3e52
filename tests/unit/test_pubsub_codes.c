/* salesforce/: topic names, and what every error-code of the Pub/Sub API comes to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pubsub_peer.h"
#include "salesforce/topic_name.h"

static void
test_topic_names(void **state)
{
	static const struct {
		const char *name, *whole; /* NULL: refused */
	} rows[] = {
	    {"Account", "/data/AccountChangeEvent"},
	    {"AccountChangeEvent", "/data/AccountChangeEvent"},
	    {"account", "/data/accountChangeEvent"},
	    {"Event", "/data/EventChangeEvent"},
	    {"Invoice__c", "/data/Invoice__ChangeEvent"},
	    {"ns__Invoice__c", "/data/ns__Invoice__ChangeEvent"},
	    {"Invoice__ChangeEvent", "/data/Invoice__ChangeEvent"},
	    {"ChangeEvents", "/data/ChangeEvents"},
	    {"Order__e", "/event/Order__e"},
	    {"ns__Order_Event__e", "/event/ns__Order_Event__e"},
	    {"Mine__chn", "/data/Mine__chn"},
	    {"LoginEventStream", "/event/LoginEventStream"},
	    {"BatchApexErrorEvent", "/event/BatchApexErrorEvent"},
	    {"/data/AccountChangeEvent", "/data/AccountChangeEvent"},
	    {"/event/Order__e", "/event/Order__e"},
	    {"/event/Mine__chn", "/event/Mine__chn"},
	    {"/data/ChangeEvents", "/data/ChangeEvents"},
	    {"/data/Invoice__c", NULL},
	    {"/topic/X", NULL},
	    {"/u/notifications/X", NULL},
	    {"/data/", NULL},
	    {"/other/X", NULL},
	    {"data/X", NULL},
	    {"", NULL},
	    {"1Account", NULL},
	    {"Acc ount", NULL},
	    {"Account*", NULL},
	    {"Setting__mdt", NULL},
	    {"__c", NULL},
	    {"A234567890123456789012345678901234567890123456789012345678901234567890123456789012345"
	     "67890123456789012345678901"
	     "23456789012345678901234567890123456789012345678901234567890123456789",
		NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char out[TOPIC_NAME_SIZE] = "";
		struct error e = ERROR_INIT;
		int rc = topic_name_expand(out, rows[i].name, &e);

		if (rows[i].whole == NULL) {
			if (rc == 0 || e.code != ERR_USAGE || e.hint[0] == '\0')
				fail_msg("'%s' became '%s'", rows[i].name, out);
		} else if (rc != 0 || strcmp(out, rows[i].whole) != 0) {
			fail_msg("'%s' became '%s' (%s)", rows[i].name, out, e.text);
		}
	}
}

/* Every error-code of wire/pubsub.md §6 with the exit status that it asks for, over the wire. */
static void
test_codes(void **state)
{
	static const struct {
		const char *suffix;
		int exit_status;
		enum disposition disposition;
	} rows[] = {
	    {"service.unavailable", 5, DISPOSITION_RETRY},
	    {"service.auth.headers.invalid", 3, DISPOSITION_STOP},
	    {"service.protection.triggered", 5, DISPOSITION_RETRY_SLOWLY},
	    {"service.protection.stream.limit.triggered", 5, DISPOSITION_RETRY_SLOWLY},
	    {"service.tenant.license", 3, DISPOSITION_STOP},
	    {"concurrent.client.limit.exceeded", 5, DISPOSITION_RETRY_SLOWLY},
	    {"topic.not.found", 4, DISPOSITION_STOP},
	    {"topic.notfound", 4, DISPOSITION_STOP},
	    {"subscription.topic.notfound", 4, DISPOSITION_STOP},
	    {"topic.meta.permission", 4, DISPOSITION_STOP},
	    {"topic.api.unavailable", 5, DISPOSITION_RETRY},
	    {"schema.api.unavailable", 5, DISPOSITION_RETRY},
	    {"topic.validation.empty", 1, DISPOSITION_STOP},
	    {"publish.topic.validation.empty", 1, DISPOSITION_STOP},
	    {"schema.meta.permission", 4, DISPOSITION_STOP},
	    {"schema.validation.failed", 1, DISPOSITION_STOP},
	    {"subscription.fetch.replayid.corrupted", 8, DISPOSITION_STOP},
	    {"subscription.fetch.replayid.validation.failed", 8, DISPOSITION_STOP},
	    {"subscription.fetch.replay.repeated", 5, DISPOSITION_RETRY},
	    {"subscription.limit.exceeded", 9, DISPOSITION_RETRY_SLOWLY},
	    {"subscription.fetch.overflow", 5, DISPOSITION_RETRY},
	    {"subscription.fetch.requested.events.invalid", 1, DISPOSITION_STOP},
	    {"subscription.fetch.topic.mismatch", 1, DISPOSITION_STOP},
	    {"subscription.fetch.request.invalid", 1, DISPOSITION_STOP},
	    {"subscription.topic.cannot.subscribe", 4, DISPOSITION_STOP},
	    {"subscription.internal.error", 5, DISPOSITION_RETRY},
	    {"publish.stream.sweeper.timeout", 5, DISPOSITION_RETRY},
	    {"publish.auth.refresh.invalid", 1, DISPOSITION_STOP},
	    {"publish.event.count.invalid", 1, DISPOSITION_STOP},
	    {"publish.topic.mismatch", 1, DISPOSITION_STOP},
	    {"managed.subscription.already.active", 5, DISPOSITION_RETRY},
	    {"managed.subscription.config.stopped", 2, DISPOSITION_STOP},
	    {"managed.subscription.config.deleted", 2, DISPOSITION_STOP},
	    {"managed.subscription.developer.name.not.found", 4, DISPOSITION_STOP},
	    {"managed.subscription.subscription.id.not.found", 4, DISPOSITION_STOP},
	    {"managed.subscription.subscription.id.invalid", 2, DISPOSITION_STOP},
	    {"managed.subscription.id.or.developer.name.empty", 2, DISPOSITION_STOP},
	    {"managed.subscription.fetch.request.events.invalid", 1, DISPOSITION_STOP},
	    {"managed.subscription.fetch.request.invalid", 1, DISPOSITION_STOP},
	    {"managed.subscription.fetch.request.commit.request.restricted", 1, DISPOSITION_STOP},
	    {"managed.subscription.fetch.request.auth.request.restricted", 1, DISPOSITION_STOP},
	};
	struct fixture *f = *state;
	size_t count;
	const struct pubsub_code *codes = pubsub_codes(&count);

	/* two more, service.auth.error and service.auth.refresh.invalid, are renewed: see the token
	 * tests */
	assert_int_equal(count, COUNT(rows) + 2);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct pubsub_code *code =
		    pubsub_code_find(text_of(rows[i].suffix), text_of(""));
		struct seen first;

		assert_non_null(code);
		assert_string_equal(code->suffix, rows[i].suffix);
		fake.status = code->status;
		fake.code = rows[i].suffix;
		f->l.ended = 0;
		open_source(f, START_EARLIEST, 0, 100);
		WAIT(f, f->l.ended > 0);
		first = seen_first();
		if (error_exit_status(f->l.why.code) != rows[i].exit_status ||
		    error_disposition(f->l.why.code) != rows[i].disposition)
			fail_msg("%s: exit status %d, %s", rows[i].suffix,
			    error_exit_status(f->l.why.code), f->l.why.text);
		if (strstr(f->l.why.text, rows[i].suffix) == NULL ||
		    strstr(f->l.why.text, "Salesforce Subscribe '" TOPIC "'") == NULL ||
		    strstr(f->l.why.text, call_status_name(code->status)) == NULL ||
		    strstr(f->l.why.text, "4711") == NULL ||
		    strstr(f->l.why.text, first.trace) == NULL ||
		    strstr(f->l.why.text, "127.0.0.1") == NULL || f->l.why.hint[0] == '\0')
			fail_msg("%s: %s (%s)", rows[i].suffix, f->l.why.text, f->l.why.hint);
		assert_int_equal(f->l.why.retry_after_ms, code->pause_ms);
	}
	for (size_t i = 0; i < count; i++)
		assert_ptr_equal(
		    pubsub_code_find(text_of(codes[i].suffix), text_of("")), &codes[i]);
}

/* Without a known code: the words, then the status. */
static void
test_messages(void **state)
{
	static const struct {
		const char *name;
		int status;
		const char *code, *message;
		enum error_code error;
	} rows[] = {
	    {"words of a lost trailer", 3, NULL, "The Replay ID validation failed. rpcId: x",
		ERR_POSITION},
	    {"code inside the words", 3, NULL,
		"failed: sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted.",
		ERR_POSITION},
	    {"not found", 5, NULL,
		"The topic information for org CORE/prod/00D and topic /data/X not found. Ensure "
		"the topic name is correct",
		ERR_NOT_FOUND},
	    {"quota", 8, NULL, "You have exceeded the event delivery limit for your org.",
		ERR_QUOTA},
	    {"proxy", 14, NULL, "upstream connect error or disconnect/reset before headers",
		ERR_UNAVAILABLE},
	    {"unknown code", 9, "something.new", "?", ERR_FAILED},
	    {"unknown code of a retriable status", 14, "something.new", "?", ERR_UNAVAILABLE},
	    {"unknown code beside known words", 3, "something.new",
		"The Replay ID validation failed.", ERR_FAILED},
	    {"status only", 7, NULL, "no", ERR_PERMISSION},
	    {"routine", 13, NULL, "Received RST_STREAM with code 0", ERR_UNAVAILABLE},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		fake.status = rows[i].status;
		fake.code = rows[i].code;
		fake.message = rows[i].message;
		f->l.ended = 0;
		open_source(f, START_EARLIEST, 0, 100);
		WAIT(f, f->l.ended > 0);
		if (f->l.why.code != rows[i].error)
			fail_msg(
			    "%s: %s, %s", rows[i].name, error_name(f->l.why.code), f->l.why.text);
	}
}

static void
test_closed_port(void **state)
{
	struct call_status s = {.code = 14,
	    .message = text_of("failed to connect to all addresses; last error: UNKNOWN: "
			       "ipv4:1.2.3.4:7443: Failed to connect to remote host: "
			       "Connection refused")};
	struct pubsub_request r = {
	    .endpoint = "api.pubsub.salesforce.com:7443", .rpc = "Subscribe", .subject = "/data/X"};
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(pubsub_error(&s, &r, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(e.text, "connection refused"));
	assert_non_null(strstr(e.hint, "api.pubsub.salesforce.com:443"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_topic_names),
	    cmocka_unit_test(test_closed_port),
	    ROW(test_codes),
	    ROW(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
