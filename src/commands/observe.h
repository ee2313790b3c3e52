/*
 * What others see of a running stream: figures and health over HTTP (--metrics), and the service manager's
 * notifications. The loop takes a snapshot twice a second; the HTTP threads read that and nothing else.
 */
#ifndef SFZB_COMMANDS_OBSERVE_H
#define SFZB_COMMANDS_OBSERVE_H

#include "commands/pump.h"
#include "commands/quota.h"

struct observer;

/*
 * Where to listen: "9464" and ":9464" (loopback), "0.0.0.0:9464", "[::1]:9464"; NULL: no HTTP. Serves from here on, as
 * alive and not ready. ERR_USAGE: no address; ERR_CONFIG: a port in use.
 */
struct observer *observer_new(struct app *app, const char *address, const struct quota *quota, struct error *e);
/* Once app's loop is open. */
void observer_start(struct observer *o);
/* Whose figures they are; NULL: the last stay. */
void observer_watch(struct observer *o, const struct pump *pump);
/* The engine has ended: says so to the service manager. */
void observer_free(struct observer *o);

/*
 * SIGHUP: reads the secrets of both logins anew, and the form and level of messages from log.json of the profile:
 * {"level": "debug", "format": "json"}.
 */
void observer_reload(void *observer);

#endif
