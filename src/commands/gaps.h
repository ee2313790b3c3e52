/*
 * Gap events: Salesforce says that a change happened whose data it cannot deliver (GAP_CREATE … GAP_OVERFLOW). Each is
 * stored as a row like every event; here they are told, counted by object and type, and given to a command.
 */
#ifndef SFZB_COMMANDS_GAPS_H
#define SFZB_COMMANDS_GAPS_H

#include "base/json.h"
#include "rpc/loop.h"
#include "stream/source.h"

struct gaps;

enum gap_action { GAP_WARN, GAP_FAIL, GAP_COMMAND };

/* action: "warn", "fail" or "command:CMD"; borrowed. ERR_USAGE. */
int gaps_parse(const char *action, enum gap_action *out, const char **command, struct error *e);
/* action has been parsed well. */
struct gaps *gaps_new(struct loop *loop, const char *action);
/* Tells of one event. true: the run shall end because of it. Never blocks. */
bool gaps_take(struct gaps *g, const struct event *event);
/* Waits for the commands, at most so long; those that have not begun by then are not run, and named as a number. */
void gaps_finish(struct gaps *g, int64_t timeout_ms);
/* "GAP_UPDATE of Account: 3" for each, as a warning. */
void gaps_report(const struct gaps *g);
/* An array of objects; the caller's. */
struct json *gaps_json(const struct gaps *g);
void gaps_free(struct gaps *g);

#endif
