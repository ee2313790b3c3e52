/* A profile in a fresh directory for each test, what is said while it is used, and the key of one position. Behind cmocka. */
#ifndef SFZB_TESTS_FRESH_PROFILE_H
#define SFZB_TESTS_FRESH_PROFILE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "profile/positions.h"
#include "profile/profile.h"
#include "scratch.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char home[] = "/tmp/sfzb-profile-XXXXXX", directory[64];
static struct profile *profile;
static char warned[SCRATCH_MESSAGE_SIZE];

static const struct position_key key = {"00D000000000001AAA", "/data/AccountChangeEvent", "main.crm.t"};

static inline int
setup(void **state)
{
	struct error e = ERROR_INIT;

	(void)state;
	strcpy(home + sizeof(home) - 7, "XXXXXX");
	if (mkdtemp(home) == NULL)
		return -1;
	setenv("SFZB_HOME", home, 1);
	unsetenv("SFZB_PROFILE");
	profile = profile_open(NULL, &e);
	snprintf(directory, sizeof(directory), "%s/profiles/default", home);
	warned[0] = '\0';
	log_set_writer(scratch_remember, warned);
	return profile == NULL ? -1 : 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	profile_free(profile);
	return scratch_remove(home);
}

static inline unsigned
mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? (unsigned)(st.st_mode & 07777) : 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
