/*
 * An event as tail shows it: one line for people, one JSON object for programs. Field names are those of the
 * table's columns.
 */
#ifndef SFZB_COMMANDS_EVENT_PRINT_H
#define SFZB_COMMANDS_EVENT_PRINT_H

#include "avro/schema.h"
#include "base/buffer.h"
#include "stream/source.h"

/*
 * One JSON object, no newline. commit_number is a string: it needs more bits than the doubles of most JSON
 * readers hold. changes: `record` holds only the changed and nulled fields.
 */
void event_print_json(struct buffer *out, const struct event *event, bool changes);
/* One that could not be decoded: why, and its payload in base64. */
void event_print_undecodable(struct buffer *out, const struct event *event, const struct error *why);
/*
 * For people (event_line.c): local time, entity, change, record ids, changed fields with their values, those of whom and
 * when (LastModifiedDate) last. Nulls are left out, but for those that an update set. record: the root of the event's
 * schema, which tells what is a date; NULL: those stay numbers. columns: of the terminal, at which the line and long
 * values are cut; 0: none.
 */
void event_print_line(struct buffer *out, const struct event *event, const struct avro_type *record, size_t columns);
/* The same as a table: its titles, and a row, no newline behind that. */
void event_print_titles(struct buffer *out);
void event_print_row(struct buffer *out, const struct event *event, const struct avro_type *record, size_t columns);

#endif
