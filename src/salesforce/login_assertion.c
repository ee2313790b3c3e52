/* The JWT bearer flow's assertion: RS256 by OpenSSL (wire/salesforce-http.md §3). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/json_text.h"
#include "salesforce/login_token.h"

#define ASSERTION_LIFE_SECONDS 180 /* the server takes three to five minutes */
#define KEY_BITS_LEAST 2048

static int
on_passphrase(char *out, int size, int writing, void *context)
{
	const struct secret *passphrase = context;

	(void)writing;
	if (!secret_is_set(passphrase) || passphrase->len > (size_t)size)
		return -1;
	memcpy(out, secret_reveal(passphrase), passphrase->len);
	return (int)passphrase->len;
}

bool
salesforce_key_is_encrypted(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[200];
	bool found = false;

	/* "BEGIN ENCRYPTED PRIVATE KEY" (PKCS#8) or "Proc-Type: 4,ENCRYPTED" (PKCS#1) */
	for (int i = 0; i < 50 && !found && file != NULL && fgets(line, sizeof(line), file) != NULL; i++)
		found = strstr(line, "ENCRYPTED") != NULL;
	if (file != NULL)
		fclose(file);
	return found;
}

static FILE *
open_key(const char *path, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	FILE *file = NULL;

	if (fd < 0 || fstat(fd, &st) < 0) {
		error_set_errno(e, ERR_CONFIG, errno, "private key \"%s\"", path);
	} else if (!S_ISREG(st.st_mode)) {
		error_set(e, ERR_CONFIG, "private key \"%s\" is not a file", path);
	} else if ((st.st_mode & 077) != 0) {
		error_set(e, ERR_CONFIG, "private key \"%s\" can be read by others (mode %03o)", path,
		    (unsigned)st.st_mode & 0777);
		error_hint(e, "run: chmod 600 '%s'", path);
	} else {
		file = fdopen(fd, "r");
	}
	if (file == NULL && fd >= 0)
		close(fd);
	return file;
}

static EVP_PKEY *
load_key(const struct salesforce_login *l, struct error *e)
{
	FILE *file = open_key(l->private_key_file, e);
	EVP_PKEY *key;
	bool needs_passphrase;

	if (file == NULL)
		return NULL;
	ERR_clear_error();
	key = PEM_read_PrivateKey(file, NULL, on_passphrase,
	    (void *)(uintptr_t)&l->key_passphrase);
	fclose(file);
	if (key == NULL) {
		needs_passphrase = ERR_GET_REASON(ERR_peek_error()) == PEM_R_BAD_PASSWORD_READ ||
		    !secret_is_set(&l->key_passphrase);
		error_set(e, ERR_CONFIG, "private key \"%s\" cannot be read%s", l->private_key_file,
		    needs_passphrase ? "" : " with this passphrase");
		error_hint(e, "it must be a PEM file with an RSA key; a passphrase is taken from SALESFORCE_PRIVATE_KEY_PASSPHRASE");
	} else if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
	    EVP_PKEY_get_bits(key) < KEY_BITS_LEAST) {
		error_set(e, ERR_CONFIG, "private key \"%s\" must be RSA of at least %d bits",
		    l->private_key_file, KEY_BITS_LEAST);
		EVP_PKEY_free(key);
		key = NULL;
	}
	ERR_clear_error();
	return key;
}

static int
sign(EVP_PKEY *key, struct text what, struct buffer *out)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char signature[2048]; /* RSA up to 16384 bits */
	size_t len = sizeof(signature);
	int rc = -1;

	if (md != NULL && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(md, signature, &len, (const unsigned char *)what.data, what.len) == 1) {
		encode_base64url(out, signature, len);
		rc = 0;
	}
	EVP_MD_CTX_free(md);
	return rc;
}

int
salesforce_login_assertion(struct buffer *out, const struct salesforce_login *l,
    const char *audience, int64_t now_wall_ms, struct error *e)
{
	static const char header[] = "{\"alg\":\"RS256\"}";
	struct buffer claims = BUFFER_INIT, jwt = BUFFER_INIT, signature = BUFFER_INIT;
	EVP_PKEY *key = load_key(l, e);
	int rc = -1;

	if (key == NULL)
		return -1;
	buffer_append_text(&claims, "{\"iss\":");
	json_text_string(&claims, text_of(l->client_id));
	buffer_append_text(&claims, ",\"sub\":");
	json_text_string(&claims, text_of(l->username));
	buffer_append_text(&claims, ",\"aud\":");
	json_text_string(&claims, text_of(audience));
	buffer_append_format(&claims, ",\"exp\":%" PRId64 "}",
	    now_wall_ms / 1000 + ASSERTION_LIFE_SECONDS);
	encode_base64url(&jwt, header, strlen(header));
	buffer_append_byte(&jwt, '.');
	encode_base64url(&jwt, claims.data, claims.len);
	if (sign(key, buffer_span(&jwt), &signature) < 0) {
		error_set(e, ERR_CONFIG, "private key \"%s\" cannot sign", l->private_key_file);
		goto out;
	}
	buffer_append(out, jwt.data, jwt.len);
	buffer_append_byte(out, '.');
	buffer_append(out, signature.data, signature.len);
	rc = 0;
out:
	EVP_PKEY_free(key);
	buffer_release(&claims);
	buffer_release(&jwt);
	buffer_release(&signature);
	return rc;
}
