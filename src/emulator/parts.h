/* The halves of the emulator, in the order in which they open. */
#ifndef SFZB_EMULATOR_PARTS_H
#define SFZB_EMULATOR_PARTS_H

#include "emulator/emulator.h"

extern const struct part part_salesforce;
extern const struct part part_databricks;

#endif
