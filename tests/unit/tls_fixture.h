/*
 * A self-signed certificate for loopback, made afresh for each test program: as PEM strings for
 * http/server.h and as a file to trust.
 */
#ifndef SFZB_TESTS_TLS_FIXTURE_H
#define SFZB_TESTS_TLS_FIXTURE_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tls_fixture {
	char *certificate_pem, *key_pem;
	char ca_file[64];
};

static char *
tls_fixture_text(BIO *bio)
{
	char *data, *copy;
	long len = BIO_get_mem_data(bio, &data);

	copy = malloc((size_t)len + 1);
	memcpy(copy, data, (size_t)len);
	copy[len] = '\0';
	BIO_free(bio);
	return copy;
}

static void
tls_fixture_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
}

static void
tls_fixture_init(struct tls_fixture *t)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *bio;
	FILE *file;
	int fd;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)"sfzb test", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	tls_fixture_extension(x, NID_basic_constraints, "critical,CA:TRUE");
	tls_fixture_extension(x, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
	X509_sign(x, key, EVP_sha256());

	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, x);
	t->certificate_pem = tls_fixture_text(bio);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	t->key_pem = tls_fixture_text(bio);
	X509_free(x);
	EVP_PKEY_free(key);

	strcpy(t->ca_file, "/tmp/sfzb-test-ca-XXXXXX");
	fd = mkstemp(t->ca_file);
	file = fdopen(fd, "w");
	fputs(t->certificate_pem, file);
	fclose(file);
}

static void
tls_fixture_release(struct tls_fixture *t)
{
	unlink(t->ca_file);
	free(t->certificate_pem);
	free(t->key_pem);
}

#endif
