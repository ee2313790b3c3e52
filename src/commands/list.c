#include "commands/list.h"

#include <stddef.h>

const struct command *const command_list[] = {
#define X(name) &command_##name,
	COMMANDS(X)
#undef X
	    NULL,
};
