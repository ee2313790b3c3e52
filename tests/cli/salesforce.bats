# The Salesforce side against the emulator, over TLS: topics, schemas, events live, publishing.
bats_require_minimum_version 1.5.0
load helper

inside() { # EMULATOR OPTIONS… -- COMMAND…   fine, in a fresh emulator
	fine sfzb emulator -q --seed 1 --keepalive 300ms "$@"
}

@test "topics lists what there is, and completion knows it afterwards" {
	inside -- sfzb topics -o table
	prints '^/data/AccountChangeEvent +change events +yes +no +[A-Za-z0-9_-]{22} '
	prints '^/event/Order_Event__e +platform event +yes +yes '
	prints '^/data/ChangeEvents +channel +yes +no '
	inside -- sh -c 'sfzb topics >/dev/null && sfzb help --names topics'
	prints '^/data/AccountChangeEvent$'
	ends 0 sfzb emulator -q -- sfzb topics -o table 'Nope*'
	[ ! -s "$out" ]
	says "no topic is called 'Nope\*' or has it in its name"
	inside -- sfzb topics 'Acc*'
	[ "$(jq -r .name "$out")" = /data/AccountChangeEvent ]
	inside -- sfzb topics order
	[ "$(jq -r .name "$out")" = /event/Order_Event__e ]
	inside -- sfzb topics nothing-like-it
	[ ! -s "$out" ]
}

@test "schema in its four forms, by topic and by id" {
	inside -- sh -c '
		sfzb schema Account >a && jq -e ".name == \"AccountChangeEvent\"" a >/dev/null &&
		id=$(sfzb topics Account | jq -r .schema_id) && sfzb schema "$id" | cmp - a &&
		sfzb schema Order_Event__e -o tree >tree && sfzb schema Order_Event__e -o ddl >ddl &&
		sfzb schema Order_Event__e -o proto >proto && sfzb schema OpportunityChangeEvent >/dev/null'
	golden schema-order-event.tree tree
	golden schema-order-event.ddl ddl
	golden schema-order-event.proto proto
}

@test "topics: channels with members, filters and enriched fields; what could be switched on; without Setup" {
	cat >faults <<-'END'
		tooling http=200 after 3 x1 message="{\"done\":true,\"records\":[{\"Field\":\"Industry\",\"ChannelMemberId\":\"0v85f0000000005AAA\"}]}"
	END
	inside -- sfzb topics Crm
	jq -e '.name == "/data/Crm__chn" and .kind == "channel" and .label == "CRM objects" and .exists and .may_subscribe and .schema_id == null
		and (.members | map(.event) == ["AccountChangeEvent", "ContactChangeEvent", "OpportunityChangeEvent"])
		and .members[2].filter == "Id != null" and .members[0].enriched == []' "$out"
	inside --faults faults -- sfzb topics Crm
	jq -e '.members[0].enriched == ["Industry"]' "$out"
	inside -- sfzb topics ChangeEvents -o table
	prints 'ChangeEvents .*all selected change events  AccountChangeEvent, .*Invoice__ChangeEvent'
	inside -- sfzb topics Crm -o table
	prints 'OpportunityChangeEvent \(where Id != null\)'
	inside --objects Account -- sfzb topics
	[ "$(jq -r .name "$out" | tr '\n' ' ')" = "/data/AccountChangeEvent /data/ChangeEvents /data/Crm__chn " ]
	inside --objects Account -- sfzb topics --all
	jq -se 'map(select(.name == "/data/Invoice__ChangeEvent"))[0] | .exists == false and .may_subscribe == false' "$out"
	jq -se 'all(.name != "/event/Order_Event__e")' "$out"
	echo 'tooling http=403 message="[{\"errorCode\":\"INSUFFICIENT_ACCESS\",\"message\":\"no\"}]"' >faults
	ends 0 sfzb emulator -q --faults faults -- sfzb topics
	says "warning: custom channels are not listed: this user lacks 'View Setup and Configuration'; the list may be incomplete"
	jq -se 'map(.name) | index("/data/AccountChangeEvent") and (index("/data/Crm__chn") | not)' "$out"
	ends 0 sfzb emulator -q --faults faults -- sfzb topics Crm__chn
	jq -e '.name == "/data/Crm__chn" and .members == []' "$out"
	echo 'get-topic UNAVAILABLE after 2' >faults
	fails 5 sfzb emulator -q --faults faults -- sfzb topics
	says "cannot list topics: Salesforce GetTopic"
}

@test "limits: what is left of each quota; tail and stream warn before it runs out" {
	inside --events 100 --objects Account -- sh -c 'sfzb tail -q Account --from earliest -n 100 >/dev/null; sfzb limits; sfzb limits -o table'
	head -n 4 "$out" | jq -se 'map({(.name): .}) | add | .DailyDeliveredPlatformEvents | .max == 10000000 and .used >= 100 and .used + .remaining == .max'
	prints '^DailyDeliveredPlatformEvents +10000000 +9999[0-9]{3} +99% +events delivered to subscribers, 24 hours'
	echo 'limits http=200 message="{\"DailyDeliveredPlatformEvents\":{\"Max\":50000,\"Remaining\":2000},\"DailyApiRequests\":{\"Max\":15000,\"Remaining\":9000}}"' >faults
	ends 0 sfzb emulator -q --faults faults --events 3 --objects Account -- sh -c '
		sfzb limits -o table
		sfzb tail Account --from earliest -n 3 >/dev/null'
	says "warning: 2000 of 50000 events delivered to subscribers, 24 hours, are left"
	ends 0 sfzb emulator -q --faults faults --events 3 --objects Account -- sh -c '
		sfzb create-table -q main.default.account && sfzb stream Account --table main.default.account --until-caught-up >/dev/null'
	says "warning: 2000 of 50000 events delivered"
	echo 'limits http=403 message="[{\"errorCode\":\"INSUFFICIENT_ACCESS\",\"message\":\"no\"}]"' >faults
	ends 0 sfzb emulator -q --faults faults --events 3 --objects Account -- sfzb tail -q Account --from earliest -n 3
	[ ! -s "$err" ]
	fails 4 sfzb emulator -q --faults faults -- sfzb limits
	says "hint: reading limits takes the permission 'View Setup and Configuration'"
}

@test "tail and stream warn when a quota runs low while they run, once for each step" {
	local run
	for run in 'tail Account --from earliest' 'stream Account --table main.default.account'; do
		ends 0 sfzb emulator -q --events 10 --objects Account --keepalive 300ms --delivery-limit 1000 -- bash -c '
			: >log; sfzb '"$run"' --quota-interval 1s >got 2>log & pid=$!
			wait_for() { for i in $(seq 600); do grep -Eq "warning: ($1) of 1000 events delivered" log && return; sleep 0.1; done; cat log >&2; exit 90; }
			more() { curl -sS -d "{\"count\":$1}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null; }
			more 900; wait_for "[5-9][0-9]"
			more 50; wait_for "4[0-9]"
			sleep 3; more 40; wait_for 0
			kill -TERM $pid; wait $pid; rc=$?; cat log >&2; exit $rc'
		# the figures may be asked for in the middle of a delivery, when the last nine are a step of their own
		[ "$(grep -v 'warning: [1-9] of' "$err" | grep -c 'warning: .* of 1000 events delivered to subscribers, 24 hours, are left')" -eq 3 ]
	done
}

@test "schema of a channel lists its entities; of an unknown topic, of an unknown id; differences" {
	inside -- sfzb schema ChangeEvents
	jq -se 'map(.entity) == ["AccountChangeEvent", "ContactChangeEvent", "OpportunityChangeEvent", "Invoice__ChangeEvent"]
		and all(.schema_id | length == 22)' "$out"
	inside -- sfzb schema Crm__chn -o tree
	prints '^AccountChangeEvent +[A-Za-z0-9_-]{22}$'
	fails 4 sfzb emulator -q -- sfzb schema ChangeEvents -o ddl
	says "topic '/data/ChangeEvents' has no schema of its own"
	inside -- sh -c 'id=$(sfzb topics Contact | jq -r .schema_id); sfzb schema Account --diff "$id"; sfzb schema Contact --diff "$id" >same; wc -c <same'
	prints '^\+ .*Industry|^\+ AccountNumber'
	prints '^- .*'
	[ "$(tail -n 1 "$out")" = 0 ]
	fails 4 sfzb emulator -q -- sfzb schema Nothing__c
	says "NOT_FOUND.*/data/Nothing__ChangeEvent"
	fails 4 sfzb emulator -q -- sfzb schema AAAAAAAAAAAAAAAAAAAAAA
	says "AAAAAAAAAAAAAAAAAAAAAA"
}

@test "tail -n prints exactly so many events, decoded" {
	inside --events 50 -- sfzb tail -q Account --from earliest -n 3
	[ "$(wc -l <"$out")" -eq 3 ]
	jq -se 'all(.topic == "/data/AccountChangeEvent" and .entity_name == "Account" and (.record | type) == "object"
		and (.commit_number | type) == "string" and (.replay_id | length) == 20)' "$out"
}

@test "tail --until-caught-up prints all there is and ends; several topics and channels too" {
	inside --events 120 --objects Account,Contact -- sfzb tail -q Account Contact --from earliest --until-caught-up
	[ "$(wc -l <"$out")" -eq 120 ]
	[ "$(jq -r .event_id "$out" | sort -u | wc -l)" -eq 120 ]
	[ "$(jq -r .topic "$out" | sort -u | wc -l)" -eq 2 ]
	inside --events 60 --objects Account,Contact -- sfzb tail -q ChangeEvents --from earliest --until-caught-up
	[ "$(wc -l <"$out")" -eq 60 ]
}

@test "tail goes on behind a replay id, and starts at a time" {
	inside --events 40 --objects Account -- sh -c '
		sfzb tail -q Account --from earliest --until-caught-up >all
		id=$(sed -n 10p all | jq -r .replay_id)
		sfzb tail -q Account --from "$id" --until-caught-up >rest
		tail -n +11 all | cmp - rest
		sfzb tail -q Account --from 2000-01-01 --until-caught-up | cmp - all
		sfzb tail -q Account --from 2100-01-01T00:00Z --until-caught-up'
	[ ! -s "$out" ]
}

@test "tail -o line says what happened, one line each, cut to the terminal" {
	inside --events 30 --objects Account -- sfzb tail -q Account --from earliest -n 3 -o line
	[ "$(grep -cE '^[0-9:]{8} Account (CREATE|UPDATE|DELETE|UNDELETE) [0-9A-Za-z]{18}' "$out")" -eq 3 ]
	run ! grep -q $'\e' "$out"
	inside --events 30 --objects Account -- script -qc 'stty cols 60; sfzb tail -q Account --from earliest -n 3' /dev/null
	prints $'^[0-9:]{8}|\e'
	[ "$(sed 's/\x1b\[[0-9;]*m//g' "$out" | tr -d '\r' | LC_ALL=C.UTF-8 wc -L)" -le 60 ]
}

@test "tables keep to the terminal: spare columns go first, then the cells stand below each other" {
	wide='sed "s/\x1b\[[0-9;]*m//g" "$out" | tr -d "\r" | LC_ALL=C.UTF-8 wc -L'
	inside -- script -qc 'stty cols 80; sfzb topics -q; sfzb limits -q' /dev/null
	prints 'TOPIC +KIND +SUB +PUB +MEMBERS'
	prints '^/data/ChangeEvents +channel +yes +no +AccountChangeEvent, .*…'
	prints '^DailyApiRequests '
	[ "$(eval "$wide")" -le 80 ]
	inside -- script -qc 'stty cols 60; sfzb topics -q; sfzb login --status' /dev/null
	prints 'TOPIC.*  /data/ChangeEvents'
	prints 'KIND.*  platform event'
	prints 'SCHEMA.*  [A-Za-z0-9_-]{22}'
	prints 'METHOD.*  client-credentials'
	run ! grep -q DETAILS "$out" # empty cells are left out
	# a single row is not cut
	inside -- script -qc 'stty cols 80; sfzb topics -q "*ChangeEvents"' /dev/null
	prints 'MEMBERS.*  AccountChangeEvent, .*, Invoice__ChangeEvent'
}

@test "tail --changes holds just the changes" {
	inside --events 200 --objects Account -- sfzb tail -q Account --from earliest --until-caught-up --changes
	jq -se 'map(select(.change_type == "UPDATE")) | length > 0 and all((.record | length) < 60)' "$out"
}

@test "tail --timeout: status 7 when -n is not met, else 0" {
	fails 7 sfzb emulator -q -- sfzb tail -q Account -n 1 --timeout 1s
	says "0 of 1 event came before --timeout was over"
	inside -- sfzb tail -q Account --timeout 1s
}

@test "tail into a pipe that closes ends quietly" {
	inside --events 100 --objects Account -- sh -c 'sfzb tail -q Account --from earliest | head -n 2'
	[ "$(wc -l <"$out")" -eq 2 ]
}

@test "tail onto a full disk is an error" {
	fails 1 sfzb emulator -q --events 10 --objects Account -- sh -c 'sfzb tail -q Account --from earliest >/dev/full'
	says "cannot write to standard output: No space left on device"
}

@test "tail stops on SIGINT and SIGTERM with 0" {
	for s in INT TERM; do
		inside --events 5 --objects Account -- sh -c ": >got; sfzb tail -q Account --from earliest >got &
			until [ \$(wc -l <got) -eq 5 ]; do sleep 0.1; done; kill -$s \$!; wait \$!"
	done
}

@test "an unknown topic is one error that says what to do, status 4" {
	fails 4 sfzb emulator -q -- sfzb tail Nothing__c
	says "error: .*NOT_FOUND.*Nothing__ChangeEvent"
	says "hint: "
}

@test "a topic that is not there is answered with the nearest that 'sfzb topics' has shown" {
	cat >asks <<-'END'
		Acount|tail|Account
		AcountChangeEvent|tail|Account
		/data/ContactChangEvent|tail|Contact
		account|tail|Account
		ACCOUNT|schema|Account
		Invoice_c|schema|Invoice__c
		Ordr_Event__e|publish|Order_Event__e
		Lead|tail|
		Nothing__c|tail|
	END
	cat >ask <<-'END'
		sfzb tail -q Acount 2>before
		sfzb topics >topics
		while IFS='|' read -r name command wanted; do
			status=0
			sfzb $command -q "$name" 2>said </dev/null || status=$?
			[ $status -eq 4 ] || { echo "$command $name: status $status"; cat said; }
			case $wanted in
			'') ! grep "did you mean" said;;
			*) grep -Eq "^sfzb: hint: did you mean '$wanted'\? Otherwise: no such topic, or change data capture is off" said || cat said;;
			esac
		done <asks
		! grep "did you mean" before
	END
	ok sfzb emulator -q -- sh ask
}

@test "--from stored without a position is status 8; with one it goes on there" {
	fails 8 sfzb emulator -q -- sfzb tail Account --from stored
	says "no position of '/data/AccountChangeEvent' is stored"
	inside --events 40 --objects Account -- sh -c '
		sfzb tail -q Account --from earliest --until-caught-up >all
		sfzb replay -q set Account "$(sed -n 30p all | jq -r .replay_id)" --table a.b.c
		sfzb tail -q Account --from stored --until-caught-up >rest
		tail -n +31 all | cmp - rest'
}

@test "a position that the server does not know is status 8 and never a silent jump" {
	fails 8 sfzb emulator -q --events 10 --objects Account -- sfzb tail -q Account --from 00000000000000010000 --until-caught-up
	says "replayid.corrupted|Replay ID"
	ends 0 sfzb emulator -q --keepalive 300ms --events 10 --objects Account -- \
		sfzb tail Account --from 00000000000000010000 --until-caught-up --on-lost-position earliest
	[ "$(wc -l <"$out")" -eq 10 ]
}

@test "refused credentials: status 3, one error, and no secret in it" {
	for v in '"client_secret": "wrong-secret"' '"access_token": "00D!gone", "method": "access-token"'; do
		fails 3 sfzb emulator -q -- sh -c '
			f=$(find "$HOME" -name salesforce.json | head -n 1)
			jq "del(.session) | . + {'"${v//\"/\\\"}"'}" "$f" >new && cat new >"$f" && sfzb tail Account'
		run ! grep -qE 'wrong-secret|00D!gone' "$err"
	done
}

@test "a certificate that is not trusted: status 5, and the hint names --cacert" {
	for leg in topics 'tail Account'; do
		ends 5 sfzb emulator -q -- sh -c '
			f=$(find "$HOME" -name salesforce.json | head -n 1)
			jq "del(.ca_file)" "$f" >new && cat new >"$f" && sfzb '"$leg"
		says "[Cc]ertificate|certificate"
		says "cacert"
	done
}

@test "--cacert makes an unknown authority known" {
	fine sfzb emulator -q -- sh -c '
		f=$(find "$HOME" -name salesforce.json | head -n 1)
		ca=$(jq -r .ca_file "$f")
		jq "del(.ca_file)" "$f" >new && cat new >"$f" && sfzb topics Account --cacert "$ca"'
	[ "$(jq -r .name "$out")" = /data/AccountChangeEvent ]
}

@test "publish: the template can be published, results come in order, events arrive" {
	inside -- sh -c '
		sfzb publish Order_Event__e --template >t
		sfzb publish Order_Event__e "$(cat t)" >one
		printf "%s\n" "{\"Order_Number__c\":\"1\"}" "" "{\"Order_Number__c\":\"2\",\"Amount__c\":12.5}" >two.ndjson
		sfzb publish Order_Event__e -f two.ndjson >two
		sfzb tail -q Order_Event__e --from earliest -n 3 >got'
	jq -se 'length == 1 and .[0].result == "published" and (.[0].replay_id | length) == 20' one
	[ "$(jq -r .line two | tr '\n' ' ')" = "1 3 " ]
	[ "$(jq -r .event_id one two | tr '\n' ' ')" = "$(jq -r .event_id got | tr '\n' ' ')" ]
	jq -se '.[1].record.Order_Number__c == "1" and .[2].record.Amount__c == 12.5
		and (.[1].record.CreatedDate > 1700000000000) and (.[1].record.CreatedById | startswith("005"))' got
}

@test "publish: what cannot be encoded is refused by name, the rest goes, status 6" {
	ends 6 sfzb emulator -q -- sfzb publish Order_Event__e '{"Amount__c":"x"}' '{"Nothing__c":1}' '{"City__c":"Ü"}' '{'
	[ "$(jq -r .result "$out" | tr '\n' ' ')" = "refused refused published refused " ]
	jq -se '(.[0].message | test("Amount__c")) and (.[1].message | test("Nothing__c"))' "$out"
	says "error: 3 of 4 events were not published"
}

@test "publish: many from standard input arrive, all and in order" {
	inside -- sh -c '
		seq 1 2000 | sed "s/.*/{\"Order_Number__c\":\"&\"}/" | sfzb publish Order_Event__e >results
		sfzb tail -q Order_Event__e --from earliest -n 2000 | jq -r .record.Order_Number__c >got
		seq 1 2000 | cmp - got'
	[ "$(jq -r .result results | sort | uniq -c | tr -s ' ')" = " 2000 published" ]
	jq -r .line results | cmp - <(seq 1 2000)
}

@test "publish: a slow writer's events go out as they come" {
	inside -- sh -c '>r; (echo "{}"; until [ -s r ]; do sleep 0.1; done) | sfzb publish Order_Event__e >r; wc -l <r'
	[ "$(tr -d ' ' <"$out")" = 1 ]
}

@test "publish: change events, unknown topics and unreadable files are errors" {
	fails 4 sfzb emulator -q -- sfzb publish Account '{}'
	says "this user may not publish to '/data/AccountChangeEvent'"
	says "hint: Salesforce itself makes change events"
	fails 4 sfzb emulator -q -- sfzb publish Nothing__e '{}'
	fails 2 sfzb emulator -q -- sfzb publish Order_Event__e -f missing.ndjson
	says "cannot open 'missing.ndjson'"
	fails 2 sfzb emulator -q -- sfzb publish Order_Event__e -f x '{}'
}
