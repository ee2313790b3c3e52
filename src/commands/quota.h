/*
 * The organisation's quotas while a command runs that spends them: asked for at the start and now and then afterwards, on
 * app's worker, and warned about when one passes a tenth, a twentieth, a hundredth and nothing of its allowance. Who may not
 * read limits is not troubled. The figures are the vendor's and lag by some minutes; each question costs an API request.
 */
#ifndef SFZB_COMMANDS_QUOTA_H
#define SFZB_COMMANDS_QUOTA_H

#include "commands/app.h"
#include "salesforce/rest.h"

#define OPTION_QUOTA(type)                                                                                             \
	OPTION_DURATION(0, "quota-interval", type, quota_interval_ms, "<time>", "15m",                                 \
	    "look at the organisation's quotas so often, and warn before one is used up (0: only at the start)",       \
	    .min = 0)

struct quota;

/* interval_ms 0: no question but quota_first's. */
struct quota *quota_new(struct app *app, int64_t interval_ms);
/* Waits for an answer that is under way, and cuts it short. */
void quota_free(struct quota *q);
/* An app_blocking: the first question, unless quota_start was called; needs app->salesforce. Returns 0. */
int quota_first(void *quota, struct error *unused);
/* From here on the others, by timer. To be called once the loop is open; again is fine. */
void quota_start(struct quota *q);
/* Events that may still be delivered in these 24 hours, and their number at all; -1: not known. */
void quota_delivery(const struct quota *q, int64_t *remaining, int64_t *max);

#endif
