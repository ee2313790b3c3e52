#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "emulator/emulator.h"
#include "emulator/files.h"

bool
emulator_is_interrupted(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	    (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) || sigismember(&pending, SIGHUP));
}

char *
emulator_keep(struct emulator *em, const char *name, char *(*make)(void), struct error *e)
{
	char *path = memory_format("%s/%s", em->directory, name), *text = NULL;
	struct buffer content = BUFFER_INIT;

	if (file_read(path, &content, e) == 0) {
		text = buffer_detach(&content);
	} else if (e->code == ERR_NOT_FOUND) {
		error_clear(e);
		text = make();
		if (file_write(path, text_of(text), e) != 0) {
			free(text);
			text = NULL;
		}
	}
	buffer_release(&content);
	free(path);
	return text;
}
