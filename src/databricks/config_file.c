/* ~/.databrickscfg: INI by the rules of the vendor's tools (wire/databricks-http.md §4). */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "databricks/config.h"

#define SETTINGS_SECTION "__settings__"

static struct text
trim(struct text t)
{
	while (t.len > 0 && isspace((unsigned char)t.data[0]))
		t = text_span(t.data + 1, t.len - 1);
	while (t.len > 0 && isspace((unsigned char)t.data[t.len - 1]))
		t.len--;
	return t;
}

/* A comment inside a line begins at '#' or ';' behind a space. */
static struct text
cut_comment(struct text t)
{
	for (size_t i = 1; i < t.len; i++)
		if ((t.data[i] == '#' || t.data[i] == ';') && isspace((unsigned char)t.data[i - 1]))
			return text_span(t.data, i);
	return t;
}

static struct text
unquote(struct text t)
{
	if (t.len >= 2 && (t.data[0] == '"' || t.data[0] == '\'') && t.data[t.len - 1] == t.data[0])
		return text_span(t.data + 1, t.len - 2);
	return t;
}

/* The key in lower case, to be freed. */
static char *
key_of(struct text t)
{
	char *key = text_dup(trim(t));

	for (char *c = key; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	return key;
}

/* Every section as an object in one object. */
static struct json *
parse_sections(struct text file)
{
	struct json *sections = json_object(), *section = NULL;

	while (file.len > 0) {
		const char *end = memchr(file.data, '\n', file.len);
		size_t n = end != NULL ? (size_t)(end - file.data) : file.len;
		struct text line = trim(text_span(file.data, n));
		const char *split;

		file = text_span(file.data + n, file.len - n);
		if (file.len > 0)
			file = text_span(file.data + 1, file.len - 1);
		if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';')
			continue;
		if (line.data[0] == '[') {
			const char *close = memchr(line.data, ']', line.len);
			char *name;

			if (close == NULL)
				continue;
			name = text_dup(trim(text_span(line.data + 1, (size_t)(close - line.data) - 1)));
			section = json_find(sections, name);
			if (section == NULL) {
				section = json_object();
				json_set(sections, name, section);
			}
			free(name);
			continue;
		}
		split = memchr(line.data, '=', line.len);
		if (split == NULL)
			split = memchr(line.data, ':', line.len);
		if (split != NULL && section != NULL) {
			char *key = key_of(text_span(line.data, (size_t)(split - line.data)));
			struct text value = text_span(split + 1, line.len - (size_t)(split + 1 - line.data));

			/* the split character counts as the space before a comment that is all there is */
			value = unquote(trim(cut_comment(value)));
			if (value.len > 0)
				json_set_text(section, key, value);
			free(key);
		}
	}
	return sections;
}

int
databricks_cfg_parse(struct text file, const char *name, struct json **out, char **used,
    struct error *e)
{
	struct json *sections = parse_sections(file);
	bool is_named = name != NULL && name[0] != '\0';
	const struct json *section;
	char clean[100];

	*out = NULL;
	*used = NULL;
	if (!is_named)
		name = json_find_string(json_find(sections, SETTINGS_SECTION), "default_profile");
	is_named = is_named || name != NULL;
	if (name == NULL)
		name = "DEFAULT";
	section = strcmp(name, SETTINGS_SECTION) != 0 ? json_find(sections, name) : NULL;
	if (json_count(section) > 0) {
		*out = json_clone(section);
		*used = memory_strdup(name);
	} else if (is_named) {
		text_clean(clean, sizeof(clean), text_of(name));
		error_set(e, ERR_CONFIG, "the Databricks configuration file has no profile \"%s\"%s", clean,
		    section != NULL ? " with anything in it" : "");
		error_hint(e, "name another with DATABRICKS_CONFIG_PROFILE, or run 'databricks auth profiles'");
	}
	json_free(sections);
	return is_named && *out == NULL ? -1 : 0;
}
