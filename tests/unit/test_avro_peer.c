/*
 * Payloads as python3-avro reads them (tests/tables/avro_peer.py) and as we do. By default all of
 * tests/data; AVRO_PEER_FILE names another file of the same form, say 100,000 events that the
 * emulator made: lines of {schema_json | schema, payload_b64}.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/wait.h>

#include "avro/decode.h"
#include "base/encode.h"
#include "tree.h"

static struct {
	char *key;
	struct avro_decoder *decoder;
} decoders[64];

static struct avro_decoder *
find_decoder(const struct tree *line)
{
	const char *json = tree_string(line, "schema_json"),
		   *key = *json ? json : tree_string(line, "schema");
	struct text text = text_of(json);
	struct error e = ERROR_INIT;
	struct avro_schema *schema;
	char path[256];
	static size_t next;
	size_t i = 0;

	for (; i < 64 && decoders[i].key != NULL; i++)
		if (strcmp(decoders[i].key, key) == 0)
			return decoders[i].decoder;
	if (i == 64) {
		i = next++ % 64; /* the oldest one goes */
		free(decoders[i].key);
		avro_decoder_free(decoders[i].decoder);
	}
	if (*json == '\0') {
		snprintf(path, sizeof(path), "tests/data/schemas/%s.avsc", key);
		text = tree_read_file(path);
	}
	schema = avro_schema_parse(text, &e);
	if (schema == NULL)
		fail_msg("%s: %s", key, e.text);
	decoders[i].key = memory_strdup(key);
	decoders[i].decoder = avro_decoder_new(schema);
	avro_schema_unref(schema);
	if (*json == '\0')
		free((char *)(uintptr_t)text.data);
	return decoders[i].decoder;
}

static int
drop_decoders(void **state)
{
	(void)state;
	for (size_t i = 0; i < 64; i++) {
		free(decoders[i].key);
		avro_decoder_free(decoders[i].decoder);
	}
	return 0;
}

static void
check_line(const char *path, size_t number, struct text input, struct text theirs)
{
	struct tree line;
	struct buffer payload = BUFFER_INIT, ours = BUFFER_INIT;
	struct error e = ERROR_INIT;
	char why[256];

	assert_int_equal(tree_parse(&line, input, &e), 0);
	assert_int_equal(encode_unbase64(text_of(tree_string(&line, "payload_b64")), &payload), 0);
	if (avro_decode_json(find_decoder(&line), buffer_span(&payload), &ours, &e) != 0)
		fail_msg("%s:%zu: %s; python3-avro: %.*s", path, number, e.text, (int)theirs.len,
		    theirs.data);
	if (!tree_text_equal(buffer_span(&ours), theirs, why))
		fail_msg("%s:%zu: %s", path, number, why);
	tree_release(&line);
	buffer_release(&payload);
	buffer_release(&ours);
}

static void
check_file(const char *path)
{
	struct text file = tree_read_file(path), rest = file, line;
	char *command = memory_format("/usr/bin/python3 tests/tables/avro_peer.py '%s'", path),
	     *theirs = NULL;
	FILE *peer = popen(command, "r");
	size_t size = 0, n = 0;
	int status;

	assert_non_null(peer);
	while (tree_next_line(&rest, &line)) {
		ssize_t len = getline(&theirs, &size, peer);

		if (len < 0)
			break;
		check_line(path, ++n, line, text_span(theirs, (size_t)len));
	}
	status = pclose(peer);
	free(theirs);
	free(command);
	free((char *)(uintptr_t)file.data);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	if (status != 0 || rest.len > 0)
		fail_msg("%s: avro_peer.py ended with %d after %zu lines", path, status, n);
	print_message("%s: %zu events\n", path, n);
}

static void
test_peer(void **state)
{
	static const char *const files[] = {"AccountChangeEvent", "AccountChangeEvent.evolution",
	    "ContactChangeEvent", "OpportunityChangeEvent", "Invoice__ChangeEvent",
	    "Order_Event__e", "All_Types__e"};
	const char *other = getenv("AVRO_PEER_FILE");

	(void)state;
	if (other != NULL) {
		check_file(other);
		return;
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[128];

		snprintf(path, sizeof(path), "tests/data/events/%s.jsonl", files[i]);
		check_file(path);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_peer),
	};

	return cmocka_run_group_tests(tests, NULL, drop_decoders);
}
