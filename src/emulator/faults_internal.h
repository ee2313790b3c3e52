/* Rules of the error script: faults_parse.c reads them, faults.c asks them. Nobody else includes it. */
#ifndef SFZB_EMULATOR_FAULTS_INTERNAL_H
#define SFZB_EMULATOR_FAULTS_INTERNAL_H

#include "base/limits.h"
#include "emulator/faults.h"

enum fault_moment {
	MOMENT_CALL,	/* the one asking of a unary call or an HTTP request */
	MOMENT_START,	/* a streaming call begins */
	MOMENT_MESSAGE, /* a message of a streaming call */
	MOMENT_REPLY,	/* an answer within a streaming call */
	MOMENT_TOKENS,	/* a token is checked */
};

struct fault_rule {
	char *text;   /* as written, without comment */
	char *method; /* glob */
	struct fault fault;
	uint64_t after, every, limit; /* 0: not given */
	double probability;	      /* 1: always */
	bool by_message; /* on a streaming call: strikes behind messages, not at the start */
	uint64_t seen, strikes;
};

struct fault_rules {
	struct fault_rule *items;
	size_t count, capacity;
};

int fault_rules_parse(struct fault_rules *rules, struct text script, struct error *e);
void fault_rules_release(struct fault_rules *rules);
bool fault_rule_applies(const struct fault_rule *r, const char *method, enum fault_moment moment);

#endif
