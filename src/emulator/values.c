#include <string.h>

#include "emulator/values.h"

#define PICK(r, pool) (pool)[random_below((r), sizeof(pool) / sizeof *(pool))]

static const char *const companies[] = { "Acme", "Globex", "Initech", "Umbrella", "Hooli", "Stark Industries",
	"Łódź Żółw", "Müller & Söhne", "Société Générale de l'Été", "株式会社東京", "Ñandú Logística",
	"Привет Мир", "Νέα Ελλάδα", "شركة النور", "Ærø Rederi", "Smørrebrød 🍞", "O'Neill \"Best\"",
	"Crème\\Brûlée" };
static const char *const company_ends[] = { "Inc.", "Ltd", "GmbH", "S.A.", "AG", "plc", "KK", "AB", "Oy", "BV" };
static const char *const first_names[] = { "Ada", "Grace", "Linus", "Józef", "Zoë", "Søren", "François",
	"Иван", "美咲", "Chloé", "Ångström", "Mary-Ann", "Nguyễn", "Aisha", "Björn", "Łucja" };
static const char *const last_names[] = { "Lovelace", "Hopper", "Torvalds", "Piłsudski", "Müller", "García",
	"Kowalska", "Øst", "田中", "O'Brien", "Петров", "Šimić", "van der Berg", "Ødegård", "Smith" };
static const char *const cities[] = { "München", "São Paulo", "Kraków", "Tōkyō", "Zürich", "Montréal", "Austin",
	"Göteborg", "Αθήνα", "Łódź", "København", "Reykjavík", "Boston", "Lyon" };
static const char *const countries[][2] = { { "Germany", "DE" }, { "Brazil", "BR" }, { "Poland", "PL" },
	{ "Japan", "JP" }, { "Switzerland", "CH" }, { "Canada", "CA" }, { "United States", "US" } };
static const char *const streets[] = { "Main Street", "Bahnhofstraße", "Rue de l'Église", "ulica Długa",
	"Avenida Paulista", "Ring Road", "High Street", "Strandvägen" };
static const char *const words[] = { "invoice", "renewal", "delivery", "customer", "meeting", "contract",
	"quarterly", "review", "pending", "signature", "budget", "naïve", "façade", "coöperate", "größer",
	"świetnie", "обновление", "更新", "— note —", "follow-up", "ASAP", "warehouse", "shipment", "price",
	"discount", "team", "call", "demo", "proposal", "approved", "escalated", "with", "the", "for", "and" };
static const char *const industries[] = { "Agriculture", "Banking", "Biotechnology", "Energy", "Media",
	"Retail", "Technology", "Transportation", "Utilities" };
static const char *const stages[] = { "Prospecting", "Qualification", "Needs Analysis", "Value Proposition",
	"Negotiation/Review", "Closed Won", "Closed Lost" };
static const char *const choices[] = { "High", "Medium", "Low", "Gold", "Silver", "Platinum", "Yes", "No",
	"Maybe", "Web", "Partner", "Phone Inquiry", "Other" };
static const char *const states[] = { "Draft", "Sent", "Paid", "Überfällig", "Cancelled" };
static const char *const regions[] = { "EMEA", "APAC", "North America", "LATAM" };
static const char *const salutations[] = { "Mr.", "Ms.", "Mx.", "Dr.", "Prof." };

char *
value_record_id(char out[RECORD_ID_SIZE], const char *prefix, uint64_t number)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	static const char checks[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

	memcpy(out, prefix, 3);
	memcpy(out + 3, "5f000", 5);
	for (int i = 14; i >= 8; i--) {
		out[i] = digits[number % 62];
		number /= 62;
	}
	for (int part = 0; part < 3; part++) {
		unsigned bits = 0;

		for (int i = 0; i < 5; i++)
			if (out[part * 5 + i] >= 'A' && out[part * 5 + i] <= 'Z')
				bits |= 1u << i;
		out[15 + part] = checks[bits];
	}
	out[18] = '\0';
	return out;
}

static void
prose(struct random *r, struct buffer *out, size_t bytes)
{
	size_t start = out->len;

	while (out->len - start < bytes) {
		if (out->len > start)
			buffer_append_byte(out, random_below(r, 14) == 0 ? '\n' : ' ');
		buffer_append_text(out, PICK(r, words));
	}
}

static void
digits(struct random *r, struct buffer *out, int count)
{
	for (int i = 0; i < count; i++)
		buffer_append_byte(out, (uint8_t)('0' + random_below(r, 10)));
}

static void
by_address_part(struct random *r, struct buffer *out, const char *field)
{
	size_t country = random_below(r, sizeof countries / sizeof *countries);

	if (strcmp(field, "Street") == 0)
		buffer_append_format(out, "%s %d", PICK(r, streets), (int)random_below(r, 300) + 1);
	else if (strcmp(field, "City") == 0)
		buffer_append_text(out, PICK(r, cities));
	else if (strcmp(field, "PostalCode") == 0)
		digits(r, out, 5);
	else if (strcmp(field, "Country") == 0)
		buffer_append_text(out, countries[country][0]);
	else if (strcmp(field, "GeocodeAccuracy") == 0)
		buffer_append_text(out, "Street");
	else /* StateCode, CountryCode, State */
		buffer_append_text(out, countries[country][1]);
}

static void
by_name(struct random *r, struct buffer *out, const char *field)
{
	if (strcmp(field, "FirstName") == 0)
		buffer_append_text(out, PICK(r, first_names));
	else if (strcmp(field, "LastName") == 0)
		buffer_append_text(out, PICK(r, last_names));
	else if (strcmp(field, "Salutation") == 0)
		buffer_append_text(out, PICK(r, salutations));
	else if (strcmp(field, "Name") == 0)
		buffer_append_format(out, "%s %s", PICK(r, companies), PICK(r, company_ends));
	else if (strstr(field, "City"))
		buffer_append_text(out, PICK(r, cities));
	else
		prose(r, out, 6 + random_below(r, 20));
}

static void
entity_id(struct random *r, struct buffer *out, const char *field)
{
	static const struct {
		const char *part, *prefix;
	} prefixes[] = { { "Account", "001" }, { "Contact", "003" }, { "Owner", "005" }, { "ById", "005" },
		{ "Parent", "001" }, { "RecordType", "012" }, { "Campaign", "701" }, { "Pricebook", "01s" } };
	char id[RECORD_ID_SIZE];
	const char *prefix = "00N";

	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		if (strstr(field, prefixes[i].part)) {
			prefix = prefixes[i].prefix;
			break;
		}
	}
	buffer_append(out, value_record_id(id, prefix, random_below(r, 5000)), 18);
}

static const char *
choice(struct random *r, const char *field)
{
	if (strcmp(field, "Industry") == 0)
		return PICK(r, industries);
	if (strcmp(field, "StageName") == 0)
		return PICK(r, stages);
	if (strcmp(field, "Status__c") == 0)
		return PICK(r, states);
	return PICK(r, choices);
}

void
value_text(struct random *r, struct buffer *out, const char *field, const char *word)
{
	if (strcmp(word, "EntityId") == 0 || strcmp(word, "ExternalId") == 0) {
		entity_id(r, out, field);
	} else if (strcmp(word, "Phone") == 0 || strcmp(word, "Fax") == 0) {
		buffer_append_format(out, "+%d ", (int)random_below(r, 98) + 1);
		digits(r, out, 9);
	} else if (strcmp(word, "Email") == 0) {
		prose(r, out, 0);
		buffer_append_format(out, "user%d@example.com", (int)random_below(r, 100000));
	} else if (strcmp(word, "Url") == 0) {
		buffer_append_format(out, "https://www.example.com/%d?q=%%C3%%A9",
		    (int)random_below(r, 100000));
	} else if (strcmp(word, "StringPlusClob") == 0 || strcmp(word, "HtmlStringPlusClob") == 0) {
		prose(r, out, 200 + random_below(r, 1100));
	} else if (strcmp(word, "DynamicEnum") == 0 || strcmp(word, "StaticEnum") == 0) {
		buffer_append_text(out, choice(r, field));
	} else if (strcmp(word, "MultiEnum") == 0) {
		buffer_append_format(out, "%s;%s", PICK(r, regions), PICK(r, choices));
	} else if (strcmp(word, "AutoNumber") == 0) {
		buffer_append_text(out, "INV-");
		digits(r, out, 7);
	} else if (strcmp(word, "EncryptedText") == 0) {
		buffer_append_text(out, "************");
		digits(r, out, 4);
	} else if (strcmp(word, "Address") == 0) {
		by_address_part(r, out, field);
	} else {
		by_name(r, out, field);
	}
}

double
value_double(struct random *r, const char *field, const char *word)
{
	int64_t millionths = (int64_t)random_below(r, 360000000) - 180000000;

	if (strcmp(field, "Latitude") == 0)
		return (double)millionths / 2e6;
	if (strcmp(field, "Longitude") == 0)
		return (double)millionths / 1e6;
	if (strcmp(word, "Percent") == 0)
		return (double)random_below(r, 1001) / 10;
	if (strcmp(word, "Double") == 0)
		return (double)random_below(r, 1000);
	return (double)random_below(r, 100000000) / 100;
}

int64_t
value_time(struct random *r, const char *word, int64_t now_ms)
{
	const int64_t day = 86400000;

	if (strcmp(word, "DateOnly") == 0 || strcmp(word, "Birthday") == 0)
		return (now_ms / day + (int64_t)random_below(r, 730) - 365) * day;
	if (strcmp(word, "TimeOnly") == 0)
		return (int64_t)random_below(r, 86400) * 1000;
	return now_ms - (int64_t)random_below(r, 30 * 86400) * 1000;
}
