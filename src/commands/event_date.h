/*
 * Dates and times of a record as people read them. Salesforce sends numbers; the schema says which of them count time, by
 * the word in a field's doc ("Data:DateTime:00N…", wire/cdc-events.md §2.2) or by its logical type.
 */
#ifndef SFZB_COMMANDS_EVENT_DATE_H
#define SFZB_COMMANDS_EVENT_DATE_H

#include <stdbool.h>

#include "avro/schema.h"
#include "base/buffer.h"
#include "base/text.h"

/*
 * Appends what value, a JSON number, stands for in that field: 2026-11-01T10:00:00Z (with milliseconds where there are
 * any), 2026-11-01, or 10:00:00; all UTC. false, and nothing appended, when it is no date or none that a calendar has.
 * record NULL: nothing is known of the field.
 */
bool event_date_append(struct buffer *out, const struct avro_type *record, struct text field, struct text value);

#endif
