/*
 * Text for manual pages.
 */
#ifndef SFZB_BASE_ROFF_H
#define SFZB_BASE_ROFF_H

#include "base/buffer.h"

/* So that roff prints it as it is: no requests, no escapes, dashes and quotes that can be copied. */
void roff_append(struct buffer *out, struct text s);

#endif
