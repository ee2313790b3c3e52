#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/random.h"
#include "emulator/files.h"
#include "emulator/tls.h"

#define LIFE_DAYS 825

static int
add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	int ok;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	ok = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok ? 0 : -1;
}

static X509 *
new_certificate(const char *name, EVP_PKEY *key, X509 *issuer, int64_t now_ms)
{
	X509 *c = X509_new();
	X509_NAME *subject = X509_get_subject_name(c);
	ASN1_INTEGER *serial = X509_get_serialNumber(c);
	time_t now = (time_t)(now_ms / 1000), from = now - 3600;
	uint8_t bytes[8];

	random_system_bytes(bytes, sizeof bytes);
	/* positive, and no leading zero byte, which DER forbids */
	bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40);
	ASN1_STRING_set(serial, bytes, sizeof bytes);
	X509_set_version(c, 2);
	X509_time_adj_ex(X509_getm_notBefore(c), 0, 0, &from);
	X509_time_adj_ex(X509_getm_notAfter(c), LIFE_DAYS, 0, &now);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(c, X509_get_subject_name(issuer ? issuer : c));
	X509_set_pubkey(c, key);
	return c;
}

static int
write_key(const char *path, EVP_PKEY *key, struct error *e)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long len;
	int rc = -1;

	if (PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
		len = BIO_get_mem_data(bio, &data);
		rc = file_write(path, text_span(data, (size_t)len), e);
	} else {
		error_set(e, ERR_FAILED, "OpenSSL cannot write a key");
	}
	BIO_free(bio);
	return rc;
}

static int
write_certificates(const char *path, X509 *first, X509 *second, struct error *e)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long len;
	int rc = -1;

	if (PEM_write_bio_X509(bio, first) == 1 && (!second || PEM_write_bio_X509(bio, second) == 1)) {
		len = BIO_get_mem_data(bio, &data);
		rc = file_write(path, text_span(data, (size_t)len), e);
	} else {
		error_set(e, ERR_FAILED, "OpenSSL cannot write a certificate");
	}
	BIO_free(bio);
	return rc;
}

struct paths {
	char *ca, *ca_key, *server, *server_key;
};

static int
make_all(const struct paths *p, int64_t now_ms, struct error *e)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
	X509 *ca = NULL, *server = NULL;
	int rc = -1;

	if (!ca_key || !key) {
		error_set(e, ERR_FAILED, "OpenSSL cannot make a key");
		goto out;
	}
	ca = new_certificate("sfzb emulator authority", ca_key, NULL, now_ms);
	server = new_certificate("localhost", key, ca, now_ms);
	if (add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") != 0 ||
	    add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") != 0 ||
	    add_extension(ca, ca, NID_subject_key_identifier, "hash") != 0 ||
	    X509_sign(ca, ca_key, EVP_sha256()) == 0 ||
	    add_extension(server, ca, NID_basic_constraints, "critical,CA:FALSE") != 0 ||
	    add_extension(server, ca, NID_key_usage, "critical,digitalSignature") != 0 ||
	    add_extension(server, ca, NID_ext_key_usage, "serverAuth") != 0 ||
	    add_extension(server, ca, NID_subject_key_identifier, "hash") != 0 ||
	    add_extension(server, ca, NID_authority_key_identifier, "keyid") != 0 ||
	    add_extension(server, ca, NID_subject_alt_name,
		"DNS:localhost,IP:127.0.0.1,IP:::1") != 0 ||
	    X509_sign(server, ca_key, EVP_sha256()) == 0) {
		error_set(e, ERR_FAILED, "OpenSSL cannot make a certificate");
		goto out;
	}
	if (write_key(p->ca_key, ca_key, e) != 0 || write_key(p->server_key, key, e) != 0 ||
	    write_certificates(p->server, server, ca, e) != 0 ||
	    write_certificates(p->ca, ca, NULL, e) != 0)
		goto out;
	rc = 0;
out:
	X509_free(ca);
	X509_free(server);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(key);
	return rc;
}

static X509 *
read_certificate(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *c = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return c;
}

/*
 * Whether clients that trust the authority's file will take the server: all three files can be read, belong together (a start
 * may have been cut short between them), and are good for another day.
 */
static bool
is_good(const struct tls_identity *t, int64_t now_ms)
{
	struct buffer pem = BUFFER_INIT;
	struct error ignored = ERROR_INIT;
	BIO *bio = BIO_new_mem_buf(t->key_pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	X509 *server = read_certificate(t->certificate_pem), *ca = NULL;
	time_t tomorrow = (time_t)(now_ms / 1000) + 86400;
	bool good;

	if (file_read(t->ca_path, &pem, &ignored) == 0)
		ca = read_certificate(buffer_text(&pem));
	good = key && server && ca && X509_check_private_key(server, key) == 1 && X509_verify(server, X509_get0_pubkey(ca)) == 1 &&
	    X509_cmp_time(X509_get0_notAfter(server), &tomorrow) > 0 && X509_cmp_time(X509_get0_notAfter(ca), &tomorrow) > 0;
	X509_free(ca);
	X509_free(server);
	EVP_PKEY_free(key);
	BIO_free(bio);
	buffer_release(&pem);
	return good;
}

static int
load(struct tls_identity *t, const struct paths *p, struct error *e)
{
	struct buffer certificate = BUFFER_INIT, key = BUFFER_INIT;
	int rc = -1;

	if (file_read(p->server, &certificate, e) == 0 && file_read(p->server_key, &key, e) == 0) {
		t->ca_path = memory_strdup(p->ca);
		t->certificate_pem = buffer_detach(&certificate);
		t->key_pem = buffer_detach(&key);
		rc = 0;
	}
	buffer_release(&certificate);
	buffer_release(&key);
	return rc;
}

int
tls_identity_open(struct tls_identity *t, const char *directory, int64_t now_ms, struct error *e)
{
	struct paths p = { memory_format("%s/ca.pem", directory), memory_format("%s/ca-key.pem", directory),
		memory_format("%s/server.pem", directory), memory_format("%s/server-key.pem", directory) };
	int rc = 0;

	*t = (struct tls_identity){ 0 };
	if (access(p.ca, R_OK) == 0 && access(p.server, R_OK) == 0 && access(p.server_key, R_OK) == 0)
		rc = load(t, &p, e);
	if (rc == 0 && (!t->certificate_pem || !is_good(t, now_ms))) {
		tls_identity_release(t);
		rc = make_all(&p, now_ms, e);
		if (rc == 0)
			rc = load(t, &p, e);
		if (rc == 0 && !is_good(t, now_ms))
			rc = error_set(e, ERR_FAILED, "the certificates that were made in \"%s\" cannot be read", directory);
	}
	if (rc != 0)
		tls_identity_release(t);
	free(p.ca);
	free(p.ca_key);
	free(p.server);
	free(p.server_key);
	return rc;
}

void
tls_identity_release(struct tls_identity *t)
{
	free(t->ca_path);
	free(t->certificate_pem);
	if (t->key_pem)
		OPENSSL_cleanse(t->key_pem, strlen(t->key_pem));
	free(t->key_pem);
	*t = (struct tls_identity){ 0 };
}
