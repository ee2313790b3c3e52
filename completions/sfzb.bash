# bash completion for sfzb, made by 'make docs' from the program's own tables

_sfzb_names() {
	COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" ${profile:+--profile "$profile"} help --names "$1" 2>/dev/null)" -- "$cur"))
}

_sfzb_topics() {
	if [[ $cur == /* ]]; then _sfzb_names topics; else _sfzb_names short-topics; fi
}

_sfzb() {
	local cur prev command='' first='' profile='' i word commands='login logout topics schema limits tail stream ingest publish replay dead-letters create-table sql emulator help'
	COMPREPLY=()
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	# bash cuts --name=value at the equals sign
	if [[ $cur == = ]]; then cur=''; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD - 2]}; fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--profile) [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++)); ((i++)); profile=${COMP_WORDS[i]} ;;
		-o | --output | --cacert | --color | --log-format) ((i++)) ;;
		-* | =) ;;
		*) if [[ -z $command ]]; then command=$word; else first=${first:-$word}; fi ;;
		esac
	done
	case "$command $prev" in
	'login --method') COMPREPLY=($(compgen -W 'browser client-credentials jwt password soap access-token databricks-cli' -- "$cur")); return ;;
	'login --host') :; return ;;
	'login --client-id') :; return ;;
	'login --username') :; return ;;
	'login --key-file') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'login --from-sf') :; return ;;
	'login --config-profile') :; return ;;
	'login --credential-helper') :; return ;;
	'login --redirect-url') :; return ;;
	'login --topic') _sfzb_topics; return ;;
	'login --table') :; return ;;
	'login --endpoint') :; return ;;
	'login --warehouse') :; return ;;
	'login --profile') _sfzb_names profiles; return ;;
	'login --output' | 'login -o') COMPREPLY=($(compgen -W 'table json' -- "$cur")); return ;;
	'login --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'login --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'login --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'logout --profile') _sfzb_names profiles; return ;;
	'logout --output' | 'logout -o') COMPREPLY=($(compgen -W 'text' -- "$cur")); return ;;
	'logout --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'logout --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'logout --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'topics --profile') _sfzb_names profiles; return ;;
	'topics --output' | 'topics -o') COMPREPLY=($(compgen -W 'table json' -- "$cur")); return ;;
	'topics --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'topics --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'topics --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'schema --diff') :; return ;;
	'schema --profile') _sfzb_names profiles; return ;;
	'schema --output' | 'schema -o') COMPREPLY=($(compgen -W 'tree avro ddl proto' -- "$cur")); return ;;
	'schema --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'schema --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'schema --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'limits --profile') _sfzb_names profiles; return ;;
	'limits --output' | 'limits -o') COMPREPLY=($(compgen -W 'table json' -- "$cur")); return ;;
	'limits --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'limits --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'limits --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'tail --from') COMPREPLY=($(compgen -W 'earliest latest stored' -- "$cur")); return ;;
	'tail --table') :; return ;;
	'tail --limit' | 'tail -n') :; return ;;
	'tail --timeout') :; return ;;
	'tail --quiet-for') :; return ;;
	'tail --managed') :; return ;;
	'tail --entity' | 'tail -e') :; return ;;
	'tail --change-type' | 'tail -c') COMPREPLY=($(compgen -W 'CREATE UPDATE DELETE UNDELETE GAP' -- "$cur")); return ;;
	'tail --filter') :; return ;;
	'tail --transform') :; return ;;
	'tail --format') :; return ;;
	'tail --on-lost-position') COMPREPLY=($(compgen -W 'fail earliest latest' -- "$cur")); return ;;
	'tail --max-retries') :; return ;;
	'tail --quota-interval') :; return ;;
	'tail --profile') _sfzb_names profiles; return ;;
	'tail --output' | 'tail -o') COMPREPLY=($(compgen -W 'line table json avro' -- "$cur")); return ;;
	'tail --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'tail --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'tail --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'stream --table' | 'stream -t') :; return ;;
	'stream --from') COMPREPLY=($(compgen -W 'auto earliest latest stored' -- "$cur")); return ;;
	'stream --managed') :; return ;;
	'stream --quiet-for') :; return ;;
	'stream --limit' | 'stream -n') :; return ;;
	'stream --timeout') :; return ;;
	'stream --layout') COMPREPLY=($(compgen -W 'classic full' -- "$cur")); return ;;
	'stream --schema-json') COMPREPLY=($(compgen -W 'every once never' -- "$cur")); return ;;
	'stream --on-lost-position') COMPREPLY=($(compgen -W 'fail earliest latest' -- "$cur")); return ;;
	'stream --record-type') COMPREPLY=($(compgen -W 'proto json' -- "$cur")); return ;;
	'stream --streams') :; return ;;
	'stream --headers-helper') :; return ;;
	'stream --application-name') :; return ;;
	'stream --max-retries') :; return ;;
	'stream --retry-backoff') :; return ;;
	'stream --batch-rows') :; return ;;
	'stream --batch-bytes') :; return ;;
	'stream --linger') :; return ;;
	'stream --max-in-flight-rows') :; return ;;
	'stream --max-in-flight-bytes') :; return ;;
	'stream --ack-timeout') :; return ;;
	'stream --open-timeout') :; return ;;
	'stream --flush-timeout') :; return ;;
	'stream --close-wait') :; return ;;
	'stream --watchdog') :; return ;;
	'stream --visibility-wait') :; return ;;
	'stream --stats-interval') :; return ;;
	'stream --on-gap') :; return ;;
	'stream --max-dead-letters') :; return ;;
	'stream --metrics') :; return ;;
	'stream --quota-interval') :; return ;;
	'stream --profile') _sfzb_names profiles; return ;;
	'stream --output' | 'stream -o') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'stream --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'stream --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'stream --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'ingest --format' | 'ingest -f') COMPREPLY=($(compgen -W 'auto ndjson csv' -- "$cur")); return ;;
	'ingest --delimiter') :; return ;;
	'ingest --columns') :; return ;;
	'ingest --time-unit') COMPREPLY=($(compgen -W 's ms us ns' -- "$cur")); return ;;
	'ingest --rejects') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'ingest --max-rejects') :; return ;;
	'ingest --record-type') COMPREPLY=($(compgen -W 'proto json' -- "$cur")); return ;;
	'ingest --streams') :; return ;;
	'ingest --headers-helper') :; return ;;
	'ingest --application-name') :; return ;;
	'ingest --max-retries') :; return ;;
	'ingest --retry-backoff') :; return ;;
	'ingest --batch-rows') :; return ;;
	'ingest --batch-bytes') :; return ;;
	'ingest --linger') :; return ;;
	'ingest --max-in-flight-rows') :; return ;;
	'ingest --max-in-flight-bytes') :; return ;;
	'ingest --ack-timeout') :; return ;;
	'ingest --open-timeout') :; return ;;
	'ingest --flush-timeout') :; return ;;
	'ingest --close-wait') :; return ;;
	'ingest --stats-interval') :; return ;;
	'ingest --profile') _sfzb_names profiles; return ;;
	'ingest --output' | 'ingest -o') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'ingest --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'ingest --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'ingest --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'publish --file' | 'publish -f') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'publish --id-field') :; return ;;
	'publish --rate') :; return ;;
	'publish --max-retries') :; return ;;
	'publish --profile') _sfzb_names profiles; return ;;
	'publish --output' | 'publish -o') COMPREPLY=($(compgen -W 'line json' -- "$cur")); return ;;
	'publish --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'publish --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'publish --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'replay --table' | 'replay -t') :; return ;;
	'replay --profile') _sfzb_names profiles; return ;;
	'replay --output' | 'replay -o') COMPREPLY=($(compgen -W 'table json' -- "$cur")); return ;;
	'replay --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'replay --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'replay --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'dead-letters --topic') _sfzb_topics; return ;;
	'dead-letters --table' | 'dead-letters -t') :; return ;;
	'dead-letters --visibility-wait') :; return ;;
	'dead-letters --profile') _sfzb_names profiles; return ;;
	'dead-letters --output' | 'dead-letters -o') COMPREPLY=($(compgen -W 'table json' -- "$cur")); return ;;
	'dead-letters --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'dead-letters --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'dead-letters --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'create-table --layout') COMPREPLY=($(compgen -W 'classic full' -- "$cur")); return ;;
	'create-table --comment') :; return ;;
	'create-table --property') :; return ;;
	'create-table --cluster-by') :; return ;;
	'create-table --profile') _sfzb_names profiles; return ;;
	'create-table --output' | 'create-table -o') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'create-table --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'create-table --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'create-table --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'sql --parameter' | 'sql -p') :; return ;;
	'sql --warehouse') :; return ;;
	'sql --timeout') :; return ;;
	'sql --profile') _sfzb_names profiles; return ;;
	'sql --output' | 'sql -o') COMPREPLY=($(compgen -W 'table json csv tsv' -- "$cur")); return ;;
	'sql --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'sql --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'sql --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	'help --completion') COMPREPLY=($(compgen -W 'bash zsh fish' -- "$cur")); return ;;
	'help --names') COMPREPLY=($(compgen -W 'topics short-topics profiles commands' -- "$cur")); return ;;
	'help --profile') _sfzb_names profiles; return ;;
	'help --output' | 'help -o') COMPREPLY=($(compgen -W 'text' -- "$cur")); return ;;
	'help --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'help --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	'help --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	' --profile') _sfzb_names profiles; return ;;
	' --cacert') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	' --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
	' --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
	esac
	case $command in
	'')
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W '--version --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			COMPREPLY=($(compgen -W "$commands" -- "$cur"))
		fi ;;
	login)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --method --host --client-id --username --key-file --from-sf --config-profile --credential-helper --redirect-url --no-browser --topic --table --endpoint --warehouse --stdin --status --check --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			COMPREPLY=($(compgen -W 'salesforce databricks' -- "$cur"))
		fi ;;
	logout)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			COMPREPLY=($(compgen -W 'salesforce databricks' -- "$cur"))
		fi ;;
	topics)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --all --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			:
		fi ;;
	schema)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --diff --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			_sfzb_topics
		fi ;;
	limits)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			:
		fi ;;
	tail)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --from --table --limit --timeout --until-caught-up --quiet-for --managed --entity --change-type --filter --changes --explode --transform --format --raw --on-lost-position --max-retries --quota-interval --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			_sfzb_topics
		fi ;;
	stream)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --table --from --managed --until-caught-up --quiet-for --limit --timeout --layout --no-create --schema-json --on-lost-position --record-type --streams --headers-helper --application-name --no-recovery --max-retries --retry-backoff --batch-rows --batch-bytes --linger --max-in-flight-rows --max-in-flight-bytes --ack-timeout --open-timeout --flush-timeout --close-wait --watchdog --visibility-wait --stats-interval --on-gap --strict --max-dead-letters --metrics --quota-interval --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			_sfzb_topics
		fi ;;
	ingest)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --format --delimiter --columns --ignore-unknown --time-unit --rejects --max-rejects --resume --record-type --streams --headers-helper --application-name --no-recovery --max-retries --retry-backoff --batch-rows --batch-bytes --linger --max-in-flight-rows --max-in-flight-bytes --ack-timeout --open-timeout --flush-timeout --close-wait --stats-interval --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))
		fi ;;
	publish)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --file --id-field --rate --raw --template --max-retries --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			_sfzb_topics
		fi ;;
	replay)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --table --from-table --force --dry-run --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		elif [[ -n $first && ' show history set export import ' == *" $first "* ]]; then
			_sfzb_topics
		else
			COMPREPLY=($(compgen -W 'show history set export import' -- "$cur"))
		fi ;;
	dead-letters)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --topic --table --all --visibility-wait --yes --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			COMPREPLY=($(compgen -W 'list show retry drop' -- "$cur"))
		fi ;;
	create-table)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --layout --dry-run --check --alter --create-schema --comment --property --cluster-by --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			:
		fi ;;
	sql)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --parameter --warehouse --timeout --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			:
		fi ;;
	help)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --man --completion --names --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			COMPREPLY=($(compgen -W "$commands" -- "$cur"))
		fi ;;
	esac
}

complete -F _sfzb sfzb
