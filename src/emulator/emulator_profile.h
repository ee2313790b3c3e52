/*
 * The profile `emulator`, where sfzb finds the emulator: settings of both halves. It belongs to one running emulator
 * at a time (the directory is locked), is marked "emulator": true, and is never taken from a person: a profile without the
 * mark is refused. What an emulator that is gone left in it (positions, schemas) is removed, because its bus is
 * gone too.
 */
#ifndef SFZB_EMULATOR_EMULATOR_PROFILE_H
#define SFZB_EMULATOR_EMULATOR_PROFILE_H

#include "base/error.h"
#include "base/json.h"

struct emulator_profile;

/* state_directory: what the profile belongs to; keep: it outlives the emulator, because the directory does. */
struct emulator_profile *emulator_profile_open(const char *state_directory, bool keep, struct error *e);
/* Adds the mark and takes the tree. */
int emulator_profile_store(struct emulator_profile *p, const char *file, struct json *settings,
    struct error *e);
const char *emulator_profile_directory(const struct emulator_profile *p);
void emulator_profile_close(struct emulator_profile *p);

#endif
