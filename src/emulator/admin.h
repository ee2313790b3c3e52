/*
 * The admin listener: plain HTTP on 127.0.0.1. GET /state; GET, PUT, POST and DELETE /faults; POST /shutdown; and
 * the routes of the parts. Requests that a browser's page makes (an Origin header) are refused.
 */
#ifndef SFZB_EMULATOR_ADMIN_H
#define SFZB_EMULATOR_ADMIN_H

#include "emulator/emulator.h"

struct admin;

/* A part that is open. */
struct open_part {
	const struct part *part;
	void *self;
};

/* parts is borrowed. stop is called, from any thread, when a client asks for the end. */
struct admin *admin_open(struct emulator *em, const struct open_part *parts, size_t count,
    void (*stop)(void), struct error *e);
void admin_close(struct admin *a);
uint16_t admin_port(const struct admin *a);

/* The endpoints, a line or two each. */
extern const char admin_help[];

#endif
