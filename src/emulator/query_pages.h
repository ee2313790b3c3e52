/*
 * Query answers that do not fit one page: kept for the pages to come (wire/salesforce-http.md §9). Locators live two days, and of
 * ten at a time the oldest goes. Thread-safe.
 */
#ifndef SFZB_EMULATOR_QUERY_PAGES_H
#define SFZB_EMULATOR_QUERY_PAGES_H

#include "base/clock.h"
#include "base/json.h"

struct query_pages;

struct query_pages *query_pages_new(const struct clock *clock);
void query_pages_free(struct query_pages *p); /* NULL is fine */

/*
 * Puts totalSize, done, nextRecordsUrl and the first page of records (taken) into answer. url: "/services/data/v67.0/query".
 */
void query_pages_begin(struct query_pages *p, struct json *answer, struct json *records, int64_t total, size_t size,
    const char *url);
/* The page that a locator names, with all that is in answer already; false: there is no such locator. */
bool query_pages_next(struct query_pages *p, struct json *answer, const char *locator, const char *url);

#endif
