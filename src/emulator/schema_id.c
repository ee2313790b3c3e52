#include <openssl/evp.h>
#include <string.h>

#include "base/encode.h"
#include "emulator/schemas.h"

char *
schema_id(char out[SCHEMA_ID_SIZE], const char *json)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	struct buffer text = BUFFER_INIT;

	EVP_Digest(json, strlen(json), digest, &len, EVP_md5(), NULL);
	encode_base64url(&text, digest, len);
	memcpy(out, buffer_text(&text), SCHEMA_ID_SIZE);
	buffer_release(&text);
	return out;
}
