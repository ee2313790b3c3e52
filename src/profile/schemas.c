#include "profile/schemas.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "profile/file.h"

/* NULL when the id cannot be a file name. */
static char *
schema_path(const struct profile *p, struct text id)
{
	if (id.len == 0 || id.len > LIMIT_SCHEMA_ID_BYTES)
		return NULL;
	for (size_t i = 0; i < id.len; i++)
		if (!isalnum((unsigned char)id.data[i]) && id.data[i] != '-' && id.data[i] != '_')
			return NULL;
	return memory_format("%s/schemas/" TEXT_FORMAT ".avsc", profile_directory(p), TEXT_ARGS(id));
}

int
schemas_load(struct profile *p, struct text schema_id, struct buffer *out, struct error *e)
{
	char *path = schema_path(p, schema_id);
	size_t before = out->len;
	int rc;

	if (path == NULL)
		return 1;
	rc = file_read(path, false, LIMIT_SCHEMA_BYTES, out, e);
	if (rc == 0 && out->len == before)
		rc = 1; /* an empty file is no schema: fetch it again */
	free(path);
	return rc;
}

int
schemas_store(struct profile *p, struct text schema_id, struct text schema_json, struct error *e)
{
	char *path = schema_path(p, schema_id);
	int rc = -1;

	if (path == NULL) {
		char shown[80];

		return error_set(e, ERR_REFUSED, "the schema id '%s' cannot be a file name",
		    text_clean(shown, sizeof(shown), schema_id));
	}
	if (schema_json.len > LIMIT_SCHEMA_BYTES)
		error_set(e, ERR_REFUSED, "a schema of %zu bytes is over the limit", schema_json.len);
	else if (profile_make_directory(p, "schemas", e) == 0)
		rc = file_write(path, schema_json, e);
	free(path);
	return rc;
}
