/* The schemas of tests/data that targets choose from. */
#ifndef SFZB_TESTS_FUZZ_SCHEMAS_H
#define SFZB_TESTS_FUZZ_SCHEMAS_H

#include "avro/decode.h"
#include "avro/schema.h"

#include "../unit/tree.h"

/* Reads count schemas by name; decoders are made for them too. */
static inline void
load_schemas(const char *const *names, size_t count, struct avro_schema **schemas, struct avro_decoder **decoders)
{
	for (size_t i = 0; i < count; i++) {
		struct error e = ERROR_INIT;
		struct text file;
		char path[128];

		snprintf(path, sizeof(path), "tests/data/schemas/%s.avsc", names[i]);
		file = tree_read_file(path);
		schemas[i] = avro_schema_parse(file, &e);
		if (schemas[i] == NULL)
			abort();
		free((char *)(uintptr_t)file.data);
		decoders[i] = avro_decoder_new(schemas[i]);
	}
}

#endif
