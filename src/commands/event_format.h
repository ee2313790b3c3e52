/*
 * Events by a format of one's own, as kcat has it: --format of tail. Text stands for itself, \n, \t, \r, \0, \\ and
 * %% for what they are elsewhere, and a verb for a part of the event:
 *
 *   %t topic            %r replay id (hex)      %i event id          %s schema id
 *   %e entity           %c change type          %k record ids        %f changed fields
 *   %v record (JSON)    %h what changed (JSON)  %o change origin     %x transaction key
 *   %n commit number    %u commit user          %q sequence number   %p payload (base64)
 *   %d commit time as RFC 3339, %d{%H:%M:%S} as strftime writes it, in local time
 */
#ifndef SFZB_COMMANDS_EVENT_FORMAT_H
#define SFZB_COMMANDS_EVENT_FORMAT_H

#include "base/buffer.h"
#include "base/error.h"
#include "stream/source.h"

#define EVENT_FORMAT_VERBS                                                                                \
	"%t topic, %r replay id, %i event id, %s schema id, %e entity, %c change type, %k record ids, %f changed fields, " \
	"%v record, %h what changed, %o origin, %x transaction key, %n commit number, %u commit user, %q sequence number, " \
	"%p payload, %d{strftime} commit time, %%; \\n ends a line"

/* ERR_USAGE names the verb that is none. */
int event_format_check(const char *format, struct error *e);
/* Appends the event; only for formats that were checked. */
void event_format_print(const char *format, const struct event *event, struct buffer *out);

#endif
