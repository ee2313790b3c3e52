#include "base/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address;
static socklen_t address_len;
static int64_t watchdog_ms;

void
notify_init(void)
{
	const char *path = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	size_t len = path != NULL ? strlen(path) : 0;

	/* '@' stands for the leading NUL of an abstract name */
	if (len > 1 && len < sizeof(address.sun_path) && (path[0] == '/' || path[0] == '@')) {
		memset(&address, 0, sizeof(address));
		address.sun_family = AF_UNIX;
		memcpy(address.sun_path, path, len);
		if (path[0] == '@')
			address.sun_path[0] = '\0';
		address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	}
	if (usec != NULL && (pid == NULL || strtoll(pid, NULL, 10) == (long long)getpid()))
		watchdog_ms = strtoll(usec, NULL, 10) / 1000 / 2;
	if (watchdog_ms < 0)
		watchdog_ms = 0;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
notify_send(const char *format, ...)
{
	char text[512];
	va_list ap;
	int fd, n;

	if (address_len == 0)
		return;
	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n <= 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1, MSG_NOSIGNAL,
	    (const struct sockaddr *)&address, address_len);
	close(fd);
}

int64_t
notify_watchdog_ms(void)
{
	return address_len > 0 ? watchdog_ms : 0;
}
