/*
 * Reads lines "MESSAGE HEX", decodes the bytes with the C code made from proto/, encodes them again and
 * prints the new hex (or "refused"). proto_check.py holds it against python3-protobuf.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "proto/pubsub_api.pb-c.h"
#include "proto/zerobus.pb-c.h"

static const ProtobufCMessageDescriptor *const messages[] = {
    &eventbus__v1__topic_request__descriptor, &eventbus__v1__topic_info__descriptor,
    &eventbus__v1__schema_request__descriptor, &eventbus__v1__schema_info__descriptor,
    &eventbus__v1__event_header__descriptor, &eventbus__v1__producer_event__descriptor,
    &eventbus__v1__consumer_event__descriptor, &eventbus__v1__error__descriptor,
    &eventbus__v1__fetch_request__descriptor, &eventbus__v1__fetch_response__descriptor,
    &eventbus__v1__publish_request__descriptor, &eventbus__v1__publish_result__descriptor,
    &eventbus__v1__publish_response__descriptor, &eventbus__v1__commit_replay_request__descriptor,
    &eventbus__v1__commit_replay_response__descriptor, &eventbus__v1__managed_fetch_request__descriptor,
    &eventbus__v1__managed_fetch_response__descriptor,
    &databricks__zerobus__create_ingest_stream_request__descriptor,
    &databricks__zerobus__ingest_record_request__descriptor,
    &databricks__zerobus__proto_encoded_record_batch__descriptor,
    &databricks__zerobus__json_record_batch__descriptor,
    &databricks__zerobus__ingest_record_batch_request__descriptor,
    &databricks__zerobus__ephemeral_stream_request__descriptor,
    &databricks__zerobus__create_ingest_stream_response__descriptor,
    &databricks__zerobus__ingest_record_response__descriptor,
    &databricks__zerobus__close_stream_signal__descriptor,
    &databricks__zerobus__ephemeral_stream_response__descriptor,
};

static void
echo(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t len)
{
	ProtobufCMessage *m = protobuf_c_message_unpack(descriptor, NULL, len, bytes);
	struct buffer hex = BUFFER_INIT;
	uint8_t *again;

	if (m == NULL) {
		puts("refused");
		return;
	}
	len = protobuf_c_message_get_packed_size(m);
	again = malloc(len + 1);
	protobuf_c_message_pack(m, again);
	buffer_append_hex(&hex, again, len);
	puts(buffer_text(&hex));
	buffer_release(&hex);
	free(again);
	protobuf_c_message_free_unpacked(m, NULL);
}

int
main(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		const ProtobufCMessageDescriptor *found = NULL;
		char *hex = strchr(line, ' ');
		uint8_t *bytes;
		ssize_t len;

		if (hex == NULL)
			return 2;
		*hex++ = '\0';
		hex[strcspn(hex, "\n")] = '\0';
		for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
			if (strcmp(messages[i]->name, line) == 0)
				found = messages[i];
		bytes = malloc(strlen(hex) / 2 + 1);
		len = encode_unhex(text_of(hex), bytes, strlen(hex) / 2 + 1);
		if (found == NULL || len < 0)
			puts("unknown");
		else
			echo(found, bytes, (size_t)len);
		free(bytes);
		fflush(stdout);
	}
	free(line);
	return 0;
}
