# fish completion for sfzb, made by 'make docs' from the program's own tables

function __sfzb_names
	set -l profile
	set -l words (commandline -opc)
	if set -l at (contains -i -- --profile $words)
		set profile --profile $words[(math $at + 1)]
	end
	sfzb $profile help --names $argv[1] 2>/dev/null
end

complete -c sfzb -f
complete -c sfzb -n __fish_use_subcommand -l version -d 'print the version'
complete -c sfzb -n '__fish_use_subcommand' -l profile -xa '(__sfzb_names profiles)' -d 'use this stored profile (default: default)'
complete -c sfzb -n '__fish_use_subcommand' -s o -l output -x -d 'form of the output'
complete -c sfzb -n '__fish_use_subcommand' -s q -l quiet -d 'say nothing but warnings and errors'
complete -c sfzb -n '__fish_use_subcommand' -s v -l verbose -d 'say more; twice: every message on the wire, by name and size'
complete -c sfzb -n '__fish_use_subcommand' -l cacert -rF -d 'trust the authorities in this PEM file (default: what the profile says, SSL_CERT_FILE, the system\'s)'
complete -c sfzb -n '__fish_use_subcommand' -l color -xa 'auto always never' -d 'colour on a terminal; NO_COLOR in the environment means never'
complete -c sfzb -n '__fish_use_subcommand' -l log-format -xa 'text json' -d 'form of messages on standard error'
complete -c sfzb -n '__fish_use_subcommand' -s h -l help -d 'print this help'
complete -c sfzb -n __fish_use_subcommand -a login -d 'store a session for one side or both'
complete -c sfzb -n __fish_use_subcommand -a logout -d 'forget a stored login'
complete -c sfzb -n __fish_use_subcommand -a emulator -d 'a local Salesforce and Databricks to try everything against'
complete -c sfzb -n __fish_use_subcommand -a help -d 'explain a command'

complete -c sfzb -n '__fish_seen_subcommand_from login' -l method -xa 'client-credentials jwt password soap access-token' -d 'how to log in: to Salesforce by client-credentials, jwt, password, soap or access-token (default: what the given values are enough for)'
complete -c sfzb -n '__fish_seen_subcommand_from login' -l host -x -d 'My Domain URL of the org, or URL of the workspace'
complete -c sfzb -n '__fish_seen_subcommand_from login' -l client-id -x -d 'consumer key of the Salesforce app, or id of the service principal'
complete -c sfzb -n '__fish_seen_subcommand_from login' -l username -x -d 'Salesforce user, for jwt and password'
complete -c sfzb -n '__fish_seen_subcommand_from login' -l key-file -rF -d 'private key (PEM) for jwt'
complete -c sfzb -n '__fish_seen_subcommand_from login' -l endpoint -x -d 'Pub/Sub API or Zerobus ingest endpoint, where the usual one does not hold'
complete -c sfzb -n '__fish_seen_subcommand_from login' -l stdin -d 'read the secret (client secret, password, passphrase or token) from standard input'
complete -c sfzb -n '__fish_seen_subcommand_from login' -l status -d 'show what is stored; asks no server'
complete -c sfzb -n '__fish_seen_subcommand_from login' -l check -d 'try what is stored'
complete -c sfzb -n '__fish_seen_subcommand_from login' -l profile -xa '(__sfzb_names profiles)' -d 'use this stored profile (default: default)'
complete -c sfzb -n '__fish_seen_subcommand_from login' -s o -l output -xa 'table json' -d 'form of the output'
complete -c sfzb -n '__fish_seen_subcommand_from login' -s q -l quiet -d 'say nothing but warnings and errors'
complete -c sfzb -n '__fish_seen_subcommand_from login' -s v -l verbose -d 'say more; twice: every message on the wire, by name and size'
complete -c sfzb -n '__fish_seen_subcommand_from login' -l cacert -rF -d 'trust the authorities in this PEM file (default: what the profile says, SSL_CERT_FILE, the system\'s)'
complete -c sfzb -n '__fish_seen_subcommand_from login' -l color -xa 'auto always never' -d 'colour on a terminal; NO_COLOR in the environment means never'
complete -c sfzb -n '__fish_seen_subcommand_from login' -l log-format -xa 'text json' -d 'form of messages on standard error'
complete -c sfzb -n '__fish_seen_subcommand_from login' -s h -l help -d 'print this help'
complete -c sfzb -n '__fish_seen_subcommand_from login' -xa 'salesforce databricks'

complete -c sfzb -n '__fish_seen_subcommand_from logout' -l profile -xa '(__sfzb_names profiles)' -d 'use this stored profile (default: default)'
complete -c sfzb -n '__fish_seen_subcommand_from logout' -s o -l output -xa 'text' -d 'form of the output'
complete -c sfzb -n '__fish_seen_subcommand_from logout' -s q -l quiet -d 'say nothing but warnings and errors'
complete -c sfzb -n '__fish_seen_subcommand_from logout' -s v -l verbose -d 'say more; twice: every message on the wire, by name and size'
complete -c sfzb -n '__fish_seen_subcommand_from logout' -l cacert -rF -d 'trust the authorities in this PEM file (default: what the profile says, SSL_CERT_FILE, the system\'s)'
complete -c sfzb -n '__fish_seen_subcommand_from logout' -l color -xa 'auto always never' -d 'colour on a terminal; NO_COLOR in the environment means never'
complete -c sfzb -n '__fish_seen_subcommand_from logout' -l log-format -xa 'text json' -d 'form of messages on standard error'
complete -c sfzb -n '__fish_seen_subcommand_from logout' -s h -l help -d 'print this help'
complete -c sfzb -n '__fish_seen_subcommand_from logout' -xa 'salesforce databricks'

complete -c sfzb -n '__fish_seen_subcommand_from help' -l man -d 'print the man page as roff'
complete -c sfzb -n '__fish_seen_subcommand_from help' -l completion -xa 'bash zsh fish' -d 'print the completion script for bash, zsh or fish'
complete -c sfzb -n '__fish_seen_subcommand_from help' -l names -xa 'topics profiles commands' -d 'print what a shell may complete: topics, profiles or commands'
complete -c sfzb -n '__fish_seen_subcommand_from help' -l profile -xa '(__sfzb_names profiles)' -d 'use this stored profile (default: default)'
complete -c sfzb -n '__fish_seen_subcommand_from help' -s o -l output -xa 'text' -d 'form of the output'
complete -c sfzb -n '__fish_seen_subcommand_from help' -s q -l quiet -d 'say nothing but warnings and errors'
complete -c sfzb -n '__fish_seen_subcommand_from help' -s v -l verbose -d 'say more; twice: every message on the wire, by name and size'
complete -c sfzb -n '__fish_seen_subcommand_from help' -l cacert -rF -d 'trust the authorities in this PEM file (default: what the profile says, SSL_CERT_FILE, the system\'s)'
complete -c sfzb -n '__fish_seen_subcommand_from help' -l color -xa 'auto always never' -d 'colour on a terminal; NO_COLOR in the environment means never'
complete -c sfzb -n '__fish_seen_subcommand_from help' -l log-format -xa 'text json' -d 'form of messages on standard error'
complete -c sfzb -n '__fish_seen_subcommand_from help' -s h -l help -d 'print this help'
complete -c sfzb -n '__fish_seen_subcommand_from help' -xa 'login logout emulator help'
