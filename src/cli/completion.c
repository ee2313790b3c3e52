#include "cli/completion.h"

#include <stdio.h>
#include <string.h>

#define MADE_BY "made by 'make docs' from the program's own tables"

static bool
is_output(const struct option *o)
{
	return o == &common_options[1];
}

/* The words of an option's value: its own, or the command's for -o. NULL: it has none. */
static const char *
words_of(const struct command *command, const struct option *o)
{
	return is_output(o) ? command->outputs : o->choices;
}

static void
append_words(struct buffer *out, const char *choices)
{
	for (; *choices != '\0'; choices++)
		buffer_append_byte(out, *choices == '|' ? ' ' : (uint8_t)*choices);
}

static void
append_names(struct buffer *out, const struct command *const *list)
{
	const char *joint = "";

	for (; *list != NULL; list++)
		if (!(*list)->hidden) {
			buffer_append_format(out, "%s%s", joint, (*list)->name);
			joint = " ";
		}
}

/* ---- bash ---- */

static void
bash_value(struct buffer *out, const char *choices, enum complete kind)
{
	switch (kind) {
	case COMPLETE_FILE:
		buffer_append_text(out, "compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\"))");
		break;
	case COMPLETE_TOPIC:
		buffer_append_text(out, "_sfzb_topics");
		break;
	case COMPLETE_PROFILE:
		buffer_append_text(out, "_sfzb_names profiles");
		break;
	case COMPLETE_COMMAND:
		buffer_append_text(out, "COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\"))");
		break;
	default:
		if (choices != NULL) {
			buffer_append_text(out, "COMPREPLY=($(compgen -W '");
			append_words(out, choices);
			buffer_append_text(out, "' -- \"$cur\"))");
		} else {
			buffer_append_byte(out, ':');
		}
	}
}

static void
bash_options(struct buffer *out, const struct option *table)
{
	for (const struct option *o = table; o != NULL && o->kind != OPTION_KIND_END; o++)
		buffer_append_format(out, " --%s%s", option_is_negative(o) ? "no-" : "", o->name);
}

static void
bash_values(struct buffer *out, const struct command *command, const struct option *table)
{
	for (const struct option *o = table; o != NULL && o->kind != OPTION_KIND_END; o++) {
		if (!option_takes_value(o))
			continue;
		buffer_append_format(out, "\t'%s --%s'", command->name, o->name);
		if (o->letter != 0)
			buffer_append_format(out, " | '%s -%c'", command->name, o->letter);
		buffer_append_text(out, ") ");
		bash_value(out, words_of(command, o), o->complete);
		buffer_append_text(out, "; return ;;\n");
	}
}

void
completion_bash(struct buffer *out, const struct command *const *list)
{
	buffer_append_text(out, "# bash completion for sfzb, " MADE_BY "\n\n"
				"_sfzb_names() {\n"
				"\tCOMPREPLY=($(compgen -W \"$(\"${COMP_WORDS[0]}\" ${profile:+--profile \"$profile\"} "
				"help --names \"$1\" 2>/dev/null)\" -- \"$cur\"))\n}\n\n"
				"_sfzb_topics() {\n\tif [[ $cur == /* ]]; then _sfzb_names topics; else _sfzb_names short-topics; fi\n}\n\n"
				"_sfzb() {\n\tlocal cur prev command='' first='' profile='' i word commands='");
	append_names(out, list);
	buffer_append_text(out,
	    "'\n\tCOMPREPLY=()\n\tcur=${COMP_WORDS[COMP_CWORD]}\n\tprev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	    "\t# bash cuts --name=value at the equals sign\n"
	    "\tif [[ $cur == = ]]; then cur=''; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
	    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tword=${COMP_WORDS[i]}\n\t\tcase $word in\n"
	    "\t\t--profile) [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++)); ((i++)); profile=${COMP_WORDS[i]} ;;\n"
	    "\t\t-o | --output | --cacert | --color | --log-format) ((i++)) ;;\n\t\t-* | =) ;;\n"
	    "\t\t*) if [[ -z $command ]]; then command=$word; else first=${first:-$word}; fi ;;\n\t\tesac\n\tdone\n"
	    "\tcase \"$command $prev\" in\n");
	for (const struct command *const *c = list; *c != NULL; c++)
		if (!(*c)->hidden && !(*c)->passes_arguments) {
			bash_values(out, *c, (*c)->options);
			bash_values(out, *c, common_options);
		}
	for (const struct option *o = common_options; o->kind != OPTION_KIND_END; o++)
		if (option_takes_value(o) && !is_output(o)) {
			buffer_append_format(out, "\t' --%s') ", o->name);
			bash_value(out, o->choices, o->complete);
			buffer_append_text(out, "; return ;;\n");
		}
	buffer_append_text(out, "\tesac\n\tcase $command in\n\t'')\n\t\tif [[ $cur == -* ]]; then\n"
				"\t\t\tCOMPREPLY=($(compgen -W '--version");
	bash_options(out, common_options);
	buffer_append_text(out, "' -- \"$cur\"))\n\t\telse\n\t\t\tCOMPREPLY=($(compgen -W \"$commands\" -- "
				"\"$cur\"))\n\t\tfi ;;\n");
	for (; *list != NULL; list++) {
		if ((*list)->hidden || (*list)->passes_arguments)
			continue;
		buffer_append_format(out, "\t%s)\n\t\tif [[ $cur == -* ]]; then\n\t\t\tCOMPREPLY=($(compgen -W '",
		    (*list)->name);
		bash_options(out, (*list)->options);
		bash_options(out, common_options);
		buffer_append_text(out, "' -- \"$cur\"))\n\t\t");
		if ((*list)->operand_next != COMPLETE_NOTHING) {
			buffer_append_text(out, "elif [[ -n $first && ' ");
			append_words(out, (*list)->operand_words);
			buffer_append_text(out, " ' == *\" $first \"* ]]; then\n\t\t\t");
			bash_value(out, NULL, (*list)->operand_next);
			buffer_append_text(out, "\n\t\t");
		}
		buffer_append_text(out, "else\n\t\t\t");
		bash_value(out, (*list)->operand_words, (*list)->operand);
		buffer_append_text(out, "\n\t\tfi ;;\n");
	}
	buffer_append_text(out, "\tesac\n}\n\ncomplete -F _sfzb sfzb\n");
}

/* ---- zsh ---- (a function of a command is _sfzb_NAME, others have two underscores behind sfzb) */

/* Help inside '…[…]': no quotes, no brackets, no colons. */
static void
append_zsh_text(struct buffer *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\'')
			buffer_append_text(out, "'\\''");
		else if (strchr("[]:", *s) != NULL)
			buffer_append_format(out, "\\%c", *s);
		else
			buffer_append_byte(out, (uint8_t)*s);
	}
}

static void
zsh_action(struct buffer *out, const char *choices, enum complete kind)
{
	if (kind == COMPLETE_FILE) {
		buffer_append_text(out, "_files");
	} else if (kind == COMPLETE_TOPIC) {
		buffer_append_text(out, "_sfzb__topics");
	} else if (kind == COMPLETE_PROFILE) {
		buffer_append_text(out, "_sfzb__profiles");
	} else if (kind == COMPLETE_COMMAND) {
		buffer_append_text(out, "_sfzb__commands");
	} else if (choices != NULL) {
		buffer_append_byte(out, '(');
		append_words(out, choices);
		buffer_append_byte(out, ')');
	} else {
		buffer_append_byte(out, ' ');
	}
}

static void
zsh_options(struct buffer *out, const struct command *command, const struct option *table)
{
	for (const struct option *o = table; o != NULL && o->kind != OPTION_KIND_END; o++) {
		const char *no = option_is_negative(o) ? "no-" : "";
		bool value = option_takes_value(o);
		const char *words = command != NULL ? words_of(command, o) : o->choices;

		buffer_append_text(out, "\t\t");
		if (o->letter != 0)
			buffer_append_format(out, "%s{-%c%s,--%s%s}'",
			    o->kind == OPTION_KIND_COUNT || o->kind == OPTION_KIND_LIST ? "'*'" : "", o->letter, value ? "+" : "", o->name,
			    value ? "=" : "");
		else
			buffer_append_format(out, "'--%s%s%s", no, o->name, value ? "=" : "");
		buffer_append_byte(out, '[');
		append_zsh_text(out, o->help);
		buffer_append_byte(out, ']');
		if (value) {
			buffer_append_format(out, ":%s:", o->name);
			zsh_action(out, words, is_output(o) ? COMPLETE_WORDS : o->complete);
		}
		buffer_append_text(out, "' \\\n");
	}
}

void
completion_zsh(struct buffer *out, const struct command *const *list)
{
	buffer_append_text(out, "#compdef sfzb\n# zsh completion for sfzb, " MADE_BY "\n\n"
				"_sfzb__names() {\n\tlocal -a names profile\n"
				"\t(( ${+opt_args[--profile]} )) && profile=(--profile ${opt_args[--profile]})\n"
				"\tnames=(${(f)\"$(_call_program names sfzb $profile help --names $1 2>/dev/null)\"})\n"
				"\tcompadd -a names\n}\n_sfzb__topics() {\n"
				"\tif [[ $PREFIX == /* ]]; then _sfzb__names topics; else _sfzb__names short-topics; fi\n}\n"
				"_sfzb__profiles() { _sfzb__names profiles }\n\n"
				"_sfzb__commands() {\n\tlocal -a commands\n\tcommands=(\n");
	for (const struct command *const *c = list; *c != NULL; c++)
		if (!(*c)->hidden) {
			buffer_append_format(out, "\t\t'%s:", (*c)->name);
			append_zsh_text(out, (*c)->summary);
			buffer_append_text(out, "'\n");
		}
	buffer_append_text(out, "\t)\n\t_describe -t commands command commands\n}\n\n");
	for (const struct command *const *c = list; *c != NULL; c++) {
		if ((*c)->hidden || (*c)->passes_arguments)
			continue;
		buffer_append_format(out, "_sfzb_%s() {\n\t_arguments -s -S \\\n", (*c)->name);
		zsh_options(out, *c, (*c)->options);
		zsh_options(out, *c, common_options);
		if ((*c)->max_operands == 0) {
			out->len -= 3; /* the last " \" and newline */
		} else {
			buffer_append_text(out, (*c)->operand_next != COMPLETE_NOTHING ? "\t\t'1:argument:" : "\t\t'*:argument:");
			zsh_action(out, (*c)->operand_words, (*c)->operand);
			buffer_append_byte(out, '\'');
			if ((*c)->operand_next != COMPLETE_NOTHING) {
				buffer_append_text(out, " \\\n\t\t'*:argument:");
				zsh_action(out, NULL, (*c)->operand_next);
				buffer_append_byte(out, '\'');
			}
		}
		buffer_append_text(out, "\n}\n\n");
	}
	buffer_append_text(out, "_sfzb() {\n\tlocal curcontext=$curcontext state line\n\ttypeset -A opt_args\n"
				"\t_arguments -C -s \\\n");
	zsh_options(out, NULL, common_options);
	buffer_append_text(out,
	    "\t\t'--version[print the version]' \\\n\t\t'1:command:_sfzb__commands' \\\n"
	    "\t\t'*::argument:->argument'\n"
	    "\t[[ $state == argument ]] || return\n"
	    "\tif (( $+functions[_sfzb_$line[1]] )); then\n"
	    "\t\tcurcontext=${curcontext%:*}-$line[1]:\n\t\t_sfzb_$line[1]\n\telse\n"
	    "\t\t_files\n\tfi\n}\n\n"
	    "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _sfzb \"$@\"; else compdef _sfzb sfzb; fi\n");
}

/* ---- fish ---- */

static void
append_fish_text(struct buffer *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\'' || *s == '\\')
			buffer_append_byte(out, '\\');
		buffer_append_byte(out, (uint8_t)*s);
	}
}

static void
fish_action(struct buffer *out, const char *choices, enum complete kind)
{
	if (kind == COMPLETE_FILE) {
		buffer_append_text(out, " -rF");
	} else if (kind == COMPLETE_TOPIC) {
		buffer_append_text(out, " -xa '(__sfzb_topics)'");
	} else if (kind == COMPLETE_PROFILE) {
		buffer_append_text(out, " -xa '(__sfzb_names profiles)'");
	} else if (choices != NULL) {
		buffer_append_text(out, " -xa '");
		append_words(out, choices);
		buffer_append_byte(out, '\'');
	} else {
		buffer_append_text(out, " -x");
	}
}

static void
fish_options(struct buffer *out, const char *condition, const struct command *command,
    const struct option *table)
{
	for (const struct option *o = table; o != NULL && o->kind != OPTION_KIND_END; o++) {
		buffer_append_format(out, "complete -c sfzb -n '%s'", condition);
		if (o->letter != 0)
			buffer_append_format(out, " -s %c", o->letter);
		buffer_append_format(out, " -l %s%s", option_is_negative(o) ? "no-" : "", o->name);
		if (option_takes_value(o))
			fish_action(out, command != NULL ? words_of(command, o) : o->choices,
			    is_output(o) ? COMPLETE_WORDS : o->complete);
		buffer_append_text(out, " -d '");
		append_fish_text(out, o->help);
		buffer_append_text(out, "'\n");
	}
}

/* Words, and what stands behind one of them. */
static void
fish_next(struct buffer *out, const struct command *command, const char *condition)
{
	for (int behind = 0; behind < 2; behind++) {
		buffer_append_format(out, "complete -c sfzb -n '%s; and %s__fish_seen_subcommand_from ", condition,
		    behind ? "" : "not ");
		append_words(out, command->operand_words);
		buffer_append_byte(out, '\'');
		fish_action(out, behind ? NULL : command->operand_words, behind ? command->operand_next : command->operand);
		buffer_append_byte(out, '\n');
	}
}

void
completion_fish(struct buffer *out, const struct command *const *list)
{
	buffer_append_text(out, "# fish completion for sfzb, " MADE_BY "\n\n"
				"function __sfzb_names\n\tset -l profile\n\tset -l words (commandline -opc)\n"
				"\tif set -l at (contains -i -- --profile $words)\n"
				"\t\tset profile --profile $words[(math $at + 1)]\n\tend\n"
				"\tsfzb $profile help --names $argv[1] 2>/dev/null\nend\n\n"
				"function __sfzb_topics\n\tif string match -q '/*' -- (commandline -ct)\n"
				"\t\t__sfzb_names topics\n\telse\n\t\t__sfzb_names short-topics\n\tend\nend\n\n"
				"complete -c sfzb -f\n"
				"complete -c sfzb -n __fish_use_subcommand -l version -d 'print the version'\n");
	fish_options(out, "__fish_use_subcommand", NULL, common_options);
	for (const struct command *const *c = list; *c != NULL; c++) {
		if ((*c)->hidden)
			continue;
		buffer_append_format(out, "complete -c sfzb -n __fish_use_subcommand -a %s -d '", (*c)->name);
		append_fish_text(out, (*c)->summary);
		buffer_append_text(out, "'\n");
	}
	for (const struct command *const *c = list; *c != NULL; c++) {
		char condition[96];

		if ((*c)->hidden || (*c)->passes_arguments)
			continue;
		buffer_append_byte(out, '\n');
		snprintf(condition, sizeof(condition), "__fish_seen_subcommand_from %s", (*c)->name);
		fish_options(out, condition, *c, (*c)->options);
		fish_options(out, condition, *c, common_options);
		if ((*c)->operand == COMPLETE_COMMAND) {
			buffer_append_format(out, "complete -c sfzb -n '%s' -xa '", condition);
			append_names(out, list);
			buffer_append_text(out, "'\n");
		} else if ((*c)->operand_next != COMPLETE_NOTHING) {
			fish_next(out, *c, condition);
		} else if ((*c)->operand != COMPLETE_NOTHING) {
			buffer_append_format(out, "complete -c sfzb -n '%s'", condition);
			fish_action(out, (*c)->operand_words, (*c)->operand);
			buffer_append_byte(out, '\n');
		}
	}
}
