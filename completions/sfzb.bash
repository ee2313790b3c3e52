# bash completion for sfzb, made by 'make docs' from the program's own tables

_sfzb_names() {
	COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" ${profile:+--profile "$profile"} help --names "$1" 2>/dev/null)" -- "$cur"))
}

_sfzb() {
	local cur prev command='' profile='' i word commands='login logout emulator help'
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
		*) [[ -z $command ]] && command=$word ;;
		esac
	done
	case "$command $prev" in
	'login --method') COMPREPLY=($(compgen -W 'client-credentials jwt password soap access-token' -- "$cur")); return ;;
	'login --host') :; return ;;
	'login --client-id') :; return ;;
	'login --username') :; return ;;
	'login --key-file') compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
	'login --endpoint') :; return ;;
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
	'help --completion') COMPREPLY=($(compgen -W 'bash zsh fish' -- "$cur")); return ;;
	'help --names') COMPREPLY=($(compgen -W 'topics profiles commands' -- "$cur")); return ;;
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
			COMPREPLY=($(compgen -W ' --method --host --client-id --username --key-file --endpoint --stdin --status --check --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			COMPREPLY=($(compgen -W 'salesforce databricks' -- "$cur"))
		fi ;;
	logout)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W ' --profile --output --quiet --verbose --cacert --color --log-format --help' -- "$cur"))
		else
			COMPREPLY=($(compgen -W 'salesforce databricks' -- "$cur"))
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
