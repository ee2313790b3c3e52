/*
 * The one SOAP call there is: login(), for users who have a user name and a password and nothing else
 * (wire/salesforce-http.md §6). Not XML in general: elements are found by their local name.
 */
#ifndef SFZB_SALESFORCE_SOAP_H
#define SFZB_SALESFORCE_SOAP_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

#define SOAP_LOGIN_PATH "/services/Soap/u/64.0" /* the last version that has it */
#define SOAP_LOGIN_ENDS "1 June 2027"

/* Appends the envelope; both values are escaped. */
void soap_login_request(struct buffer *out, const char *username, const char *password);
/*
 * Appends the text of the first element of that local name, entities resolved. false: there is none, it holds
 * elements, or the document has a DOCTYPE.
 */
bool soap_element(struct text xml, const char *name, struct buffer *out);

#endif
