/*
 * The service manager's side of a long run: systemd's notification socket ($NOTIFY_SOCKET, $WATCHDOG_USEC). Does nothing
 * where there is none. Takes both variables out of the environment, so that no child speaks for us.
 */
#ifndef SFZB_BASE_NOTIFY_H
#define SFZB_BASE_NOTIFY_H

#include <stdint.h>

/* Reads the environment; call once, early. */
void notify_init(void);
/* Sends one or more "NAME=value" lines: "READY=1", "STATUS=…", "STOPPING=1", "WATCHDOG=1". Best effort. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* How often "WATCHDOG=1" must be sent, halved for safety; 0: no watchdog. */
int64_t notify_watchdog_ms(void);

#endif
