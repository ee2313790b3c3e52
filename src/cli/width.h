/*
 * How many columns a terminal gives to a text: wide and combining characters counted as they show.
 */
#ifndef SFZB_CLI_WIDTH_H
#define SFZB_CLI_WIDTH_H

#include <stddef.h>

#include "base/text.h"

size_t width_of(struct text s);
/* Bytes of the longest beginning of s that is at most columns wide; its width in *used. */
size_t width_cut(struct text s, size_t columns, size_t *used);

#endif
