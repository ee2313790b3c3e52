/*
 * The emulator's own certificate authority and server certificate (EC P-256; localhost, 127.0.0.1,
 * ::1), made once and kept in its directory: ca.pem, ca-key.pem, server.pem, server-key.pem (0600). Good for
 * this machine only; nobody else should trust it.
 */
#ifndef SFZB_EMULATOR_TLS_H
#define SFZB_EMULATOR_TLS_H

#include <stdint.h>

#include "base/error.h"

struct tls_identity {
	char *ca_path;		/* ca.pem, for clients */
	char *certificate_pem;	/* server certificate followed by the authority's */
	char *key_pem;
};

/* Loads what the directory holds, or makes it (also when it ends within a day of now_ms). */
int tls_identity_open(struct tls_identity *t, const char *directory, int64_t now_ms, struct error *e);
void tls_identity_release(struct tls_identity *t);

#endif
