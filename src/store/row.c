#include "store/row.h"

#include <string.h>

static const char *const severity_names[] = {NULL, "WARNING", "MINOR", "MAJOR", "CRITICAL"};
static const char *const alarm_status_names[] = {NULL, "ACTIVE", "ACKNOWLEDGED", "CLEARED"};
static const char *const feed_kind_names[] = {
	NULL, "measurement", "event", "alarm", "inventory", "lifecycle"};

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

static const char *name_of(const char *const *names, size_t n, int value)
{
	return value > 0 && (size_t)value < n ? names[value] : NULL;
}

static int parse(const char *const *names, size_t n, const char *name, size_t len)
{
	for (size_t i = 1; i < n; i++)
		if (strlen(names[i]) == len && !memcmp(names[i], name, len))
			return (int)i;
	return 0;
}

const char *mw_severity_name(enum mw_severity s)
{
	return name_of(severity_names, N_OF(severity_names), (int)s);
}

enum mw_severity mw_severity_parse(const char *name, size_t len)
{
	return (enum mw_severity)parse(severity_names, N_OF(severity_names), name, len);
}

const char *mw_alarm_status_name(enum mw_alarm_status s)
{
	return name_of(alarm_status_names, N_OF(alarm_status_names), (int)s);
}

enum mw_alarm_status mw_alarm_status_parse(const char *name, size_t len)
{
	return (enum mw_alarm_status)parse(alarm_status_names, N_OF(alarm_status_names), name, len);
}

const char *mw_feed_kind_name(enum mw_feed_kind k)
{
	return name_of(feed_kind_names, N_OF(feed_kind_names), (int)k);
}
