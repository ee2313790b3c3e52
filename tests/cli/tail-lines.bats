# What people read: an event as a line or a row, from events with known results.
bats_require_minimum_version 1.5.0
load helper

raw() { # SCHEMA FILE CASE   the event with that case as a raw container
	jq -cn --rawfile s "$tests/../data/schemas/$1.avsc" --slurpfile all "$tests/../data/events/$2.jsonl" --arg case "$3" '
		[$all[] | select(.case == $case)][0] | {schema_id, schema_json: $s}, {topic: "/data/\(.schema)", event_id: .id,
			schema_id, org_id: "00D5f000000AbCdEAK", payload_b64}'
}

@test "of a compound the parts that changed are named, or the whole" {
	raw Invoice__ChangeEvent Invoice__ChangeEvent "update: parts of two compound fields" >raw
	for form in line table; do
		fine sfzb emulator -q --events 0 -- sh -c 'curl -sS --data-binary @raw "$SFZB_EMULATOR_ADMIN/events" >/dev/null
			sfzb tail -q Invoice__c --from earliest -n 1 -o '$form
		prints ' Warehouse__c=\{"Latitude":-88\.72848,"Longitude":-31\.26277\} Counter__c\.Longitude=-176\.850095 LastModifiedDate=2026-01-04T10:29:09Z$'
	done
}

@test "names, nulls and differences" {
	local case want
	while IFS='|' read -r schema case want; do
		raw "$schema" "$schema" "$case" >raw
		[ -s raw ]
		fine sfzb emulator -q --events 0 -- sh -c 'curl -sS --data-binary @raw "$SFZB_EMULATOR_ADMIN/events" >/dev/null
			sfzb tail -q '"${schema%ChangeEvent}"' --from earliest -n 1 -o line'
		prints "$want"
	done <<-'END'
		ContactChangeEvent|update: one part of the name| Name\.[A-Za-z]+="
		ContactChangeEvent|update: all parts of the name| Name=\{"Salutation":.*"FirstName":.*"LastName":
		AccountChangeEvent|update: part of a compound field set to null| [A-Za-z]+Address\.[A-Za-z]+=null
		AccountChangeEvent|update: long text sent as a diff| [A-Za-z_]+=diff:"--- \\n\+\+\+ 
	END
}
