/*
 * Preloaded into sfzb or sfzb-emulator by the proving ground: at the nth call of one kind the process is killed, or the
 * call fails, as a crash or a bad disk would have it. No fault point is in the programs themselves.
 *
 *   SFZB_SHIM="kind:n:action"   kind: write, sync, rename, send, open, any; action: kill, ENOSPC, EIO, EROFS, EMFILE, hang
 *   SFZB_SHIM="thread:n:EAGAIN"  no thread can be started from the nth on
 *   SFZB_SHIM="resolve:n:m"      look-ups of names number n to n+m-1 fail, as with a name server that is away
 *   SFZB_SHIM="http:n:m"         HTTP requests number n to n+m-1 fail as libcurl fails when the host is not resolved
 *   SFZB_SHIM="alloc:n:ENOMEM"   memory asked for by the program itself or by SQLite runs out, once
 *   SFZB_SHIM="clock:n:seconds"  from the nth reading of the wall clock on it is so much later (or earlier)
 *   SFZB_SHIM_PATH=part         only calls on files whose path (write, sync, open), names or URLs that hold this
 *   SFZB_SHIM_WHILE=file        only as long as this file is there (hang, resolve); a call that hangs returns when it is gone
 *   SFZB_SHIM_COUNT=file        at exit the number of calls of that kind is written there
 *
 * With an errno as action, the nth call and all that follow fail (a full disk stays full), unless n ends in '!'.
 * Whatever it is asked for, a name that ends in ".sfzb.test" is this machine: libcurl never asks for "localhost".
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { WRITE, SYNC, RENAME, SEND, OPEN, CLOCK, RESOLVE, HTTP, THREAD, ALLOC, KINDS };

static const char *const kind_names[KINDS] = {
    "write", "sync", "rename", "send", "open", "clock", "resolve", "http", "thread", "alloc"};
static bool wanted[KINDS], once, kills, hangs;
static long nth;
static int failure;
static long clock_offset, failing_look_ups;
/* where the program's and SQLite's code lies */
static struct {
	uintptr_t from, to;
} code[16];
static size_t code_count;
static const char *path_part, *while_file;
static atomic_long calls;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static ssize_t (*real_sendmsg)(int, const struct msghdr *, int);
static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_getaddrinfo)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
static int (*real_pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static CURLcode (*real_curl_easy_perform)(CURL *);
static CURLcode (*real_curl_easy_getinfo)(CURL *, CURLINFO, ...);
/* glibc's own names: dlsym itself allocates */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);

static int
errno_of(const char *name)
{
	static const struct {
		const char *name;
		int value;
	} names[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EROFS", EROFS}, {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM}, {"EAGAIN", EAGAIN}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].value;
	return 0;
}

static int
note_code(struct dl_phdr_info *o, size_t size, void *context)
{
	(void)size;
	(void)context;
	if (o->dlpi_name[0] != '\0' && strstr(o->dlpi_name, "libsqlite3") == NULL)
		return 0;
	for (int i = 0; i < o->dlpi_phnum && code_count < sizeof(code) / sizeof(code[0]); i++) {
		if (o->dlpi_phdr[i].p_type != PT_LOAD || (o->dlpi_phdr[i].p_flags & PF_X) == 0)
			continue;
		code[code_count].from = o->dlpi_addr + o->dlpi_phdr[i].p_vaddr;
		code[code_count].to = code[code_count].from + o->dlpi_phdr[i].p_memsz;
		code_count++;
	}
	return 0;
}

__attribute__((constructor)) static void
start(void)
{
	char spec[128], *colon, *action;
	const char *env = getenv("SFZB_SHIM");

	*(void **)&real_write = dlsym(RTLD_NEXT, "write");
	*(void **)&real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
	*(void **)&real_fsync = dlsym(RTLD_NEXT, "fsync");
	*(void **)&real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
	*(void **)&real_rename = dlsym(RTLD_NEXT, "rename");
	*(void **)&real_sendmsg = dlsym(RTLD_NEXT, "sendmsg");
	*(void **)&real_open = dlsym(RTLD_NEXT, "open64");
	*(void **)&real_openat = dlsym(RTLD_NEXT, "openat64");
	*(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	*(void **)&real_getaddrinfo = dlsym(RTLD_NEXT, "getaddrinfo");
	*(void **)&real_pthread_create = dlsym(RTLD_NEXT, "pthread_create");
	*(void **)&real_curl_easy_perform = dlsym(RTLD_NEXT, "curl_easy_perform");
	*(void **)&real_curl_easy_getinfo = dlsym(RTLD_NEXT, "curl_easy_getinfo");
	path_part = getenv("SFZB_SHIM_PATH");
	while_file = getenv("SFZB_SHIM_WHILE");
	if (env == NULL || strlen(env) >= sizeof(spec))
		return;
	strcpy(spec, env);
	colon = strchr(spec, ':');
	if (colon == NULL)
		return;
	*colon = '\0';
	for (int k = 0; k < KINDS; k++)
		wanted[k] = strcmp(spec, kind_names[k]) == 0 || (strcmp(spec, "any") == 0 && k < CLOCK);
	nth = strtol(colon + 1, &action, 10);
	once = *action == '!';
	action += once;
	if (*action == ':')
		action++;
	kills = strcmp(action, "kill") == 0;
	hangs = strcmp(action, "hang") == 0;
	if (wanted[CLOCK])
		clock_offset = strtol(action, NULL, 10);
	if (wanted[RESOLVE] || wanted[HTTP])
		failing_look_ups = strtol(action, NULL, 10);
	once = once || wanted[ALLOC];
	failure = errno_of(action);
	if (wanted[ALLOC])
		dl_iterate_phdr(note_code, NULL);
}

__attribute__((destructor)) static void
end(void)
{
	const char *file = getenv("SFZB_SHIM_COUNT");
	FILE *f = file != NULL ? fopen(file, "w") : NULL;

	if (f != NULL) {
		fprintf(f, "%ld\n", atomic_load(&calls));
		fclose(f);
	}
}

static bool
is_watched(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	if (path_part == NULL)
		return true;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return strstr(path, path_part) != NULL;
}

/* As on a file server that does not answer. */
static void
hang(void)
{
	const struct timespec a_little = {.tv_nsec = 20000000};

	/* not for ever: should the test fail, nobody takes the file away */
	for (int i = 0; i < 6000 && while_file != NULL && access(while_file, F_OK) == 0; i++)
		nanosleep(&a_little, NULL);
}

/* true: the call must fail with errno set. */
static bool
strikes(enum kind k)
{
	long n;

	if (!wanted[k])
		return false;
	n = atomic_fetch_add(&calls, 1) + 1;
	if (nth == 0 || (once || kills ? n != nth : n < nth))
		return false;
	if (kills)
		kill(getpid(), SIGKILL);
	if (hangs)
		hang();
	if (failure == 0)
		return false;
	errno = failure;
	return true;
}

static bool
no_memory(const void *caller)
{
	if (!wanted[ALLOC])
		return false;
	for (size_t i = 0; i < code_count; i++)
		if ((uintptr_t)caller >= code[i].from && (uintptr_t)caller < code[i].to)
			return strikes(ALLOC);
	return false;
}

void *
malloc(size_t n)
{
	return no_memory(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *
calloc(size_t count, size_t n)
{
	return no_memory(__builtin_return_address(0)) ? NULL : __libc_calloc(count, n);
}

void *
realloc(void *p, size_t n)
{
	return no_memory(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*f)(void *), void *context)
{
	return strikes(THREAD) ? failure : real_pthread_create(thread, attributes, f, context);
}

static bool
is_unresolved(enum kind k, const char *name)
{
	long n;

	if (!wanted[k] || name == NULL || (path_part != NULL && strstr(name, path_part) == NULL) ||
	    (while_file != NULL && access(while_file, F_OK) != 0))
		return false;
	n = atomic_fetch_add(&calls, 1) + 1;
	return n >= nth && n < nth + failing_look_ups;
}

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
	static const char ours[] = ".sfzb.test";
	size_t len = name != NULL ? strlen(name) : 0;

	if (is_unresolved(RESOLVE, name))
		return EAI_AGAIN;
	if (len >= sizeof(ours) && strcmp(name + len - sizeof(ours) + 1, ours) == 0)
		name = "127.0.0.1";
	return real_getaddrinfo(name, service, hints, found);
}

CURLcode
curl_easy_perform(CURL *handle)
{
	char *url = NULL;

	if (wanted[HTTP] && real_curl_easy_getinfo(handle, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK &&
	    is_unresolved(HTTP, url))
		return CURLE_COULDNT_RESOLVE_HOST;
	return real_curl_easy_perform(handle);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	/* standard streams belong to the test */
	if (wanted[WRITE] && fd > 2 && is_watched(fd) && strikes(WRITE))
		return -1;
	return real_write(fd, p, n);
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off_t at)
{
	if (wanted[WRITE] && is_watched(fd) && strikes(WRITE))
		return -1;
	return real_pwrite(fd, p, n, at);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	return pwrite64(fd, p, n, at);
}

int
fsync(int fd)
{
	if (wanted[SYNC] && is_watched(fd) && strikes(SYNC))
		return -1;
	return real_fsync(fd);
}

int
fdatasync(int fd)
{
	if (wanted[SYNC] && is_watched(fd) && strikes(SYNC))
		return -1;
	return real_fdatasync(fd);
}

int
rename(const char *from, const char *to)
{
	if (strikes(RENAME))
		return -1;
	return real_rename(from, to);
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	if (wanted[SEND] && strikes(SEND))
		return -1;
	return real_sendmsg(fd, m, flags);
}

/* sfzb opens a file before any constructor has run, also ours. */
static int
pass_open(const char *path, int flags, mode_t mode)
{
	if (real_open == NULL)
		*(void **)&real_open = dlsym(RTLD_NEXT, "open64");
	return real_open(path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = (mode_t)va_arg(ap, int);
	va_end(ap);
	if (wanted[OPEN] && (flags & (O_CREAT | O_WRONLY | O_RDWR)) != 0 &&
	    (path_part == NULL || strstr(path, path_part) != NULL) && strikes(OPEN))
		return -1;
	return pass_open(path, flags, mode);
}

int
open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = (mode_t)va_arg(ap, int);
	va_end(ap);
	return open64(path, flags, mode);
}

int
openat64(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = (mode_t)va_arg(ap, int);
	va_end(ap);
	if (wanted[OPEN] && (flags & (O_CREAT | O_WRONLY | O_RDWR)) != 0 &&
	    (path_part == NULL || strstr(path, path_part) != NULL) && strikes(OPEN))
		return -1;
	return real_openat(dir, path, flags, mode);
}

int
openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = (mode_t)va_arg(ap, int);
	va_end(ap);
	return openat64(dir, path, flags, mode);
}

int
clock_gettime(clockid_t clock, struct timespec *t)
{
	int rc = real_clock_gettime != NULL ? real_clock_gettime(clock, t) : -1;

	if (rc == 0 && clock == CLOCK_REALTIME && wanted[CLOCK] && atomic_fetch_add(&calls, 1) + 1 >= nth)
		t->tv_sec += clock_offset;
	return rc;
}
