/*
 * Values of Delta types as text and back: dates, timestamps, floats, decimals.
 */
#ifndef SFZB_EMULATOR_LAKEHOUSE_TEXT_H
#define SFZB_EMULATOR_LAKEHOUSE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

/* Shortest digits that read back to the same float: "0.1"; NaN and infinities as words without quotes. */
void lake_text_float(struct buffer *out, float v);
void lake_text_double(struct buffer *out, double v);

/*
 * Reads [+-]digits[.digits][e±n] and appends it with exactly scale decimals ("1.5", 10, 2 → "1.50"). Excess decimals are
 * rounded half up where round is set, else refused unless they are zeros. false: no such number, or more digits than precision.
 */
bool lake_text_decimal(struct text in, int precision, int scale, bool round, struct buffer *out);

/* "2026-11-01", also for years beyond four digits and before 1. */
void lake_text_date(struct buffer *out, int64_t days);
/* "2026-11-01T10:00:00.123Z": T between, Z behind (zone set) and as many decimals as there are, by threes. */
void lake_text_timestamp(struct buffer *out, int64_t us, bool zone);
/* "2026-11-01", "2026-11-01 10:00[:00[.123456]][Z|+01:00]" with T or space. false: neither. */
bool lake_parse_timestamp(struct text in, int64_t *us);
bool lake_parse_date(struct text in, int64_t *days);

#endif
