/* The DDF parser: each habit of real files once, each refusal with its line and words, the limits, and
 * folders. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/ddf.h"

static struct mw_bytes bytes(const char *s)
{
	return (struct mw_bytes){(const uint8_t *)s, strlen(s)};
}

static struct mw_model *parse(const char *xml)
{
	struct mw_model *m = mw_model_new();
	struct mw_errbuf e;
	int rc = mw_ddf_parse(m, "t.xml", bytes(xml), &e);
	if (rc < 0)
		fail_msg("refused: %s", e.text);
	return m;
}

/* The first object of @p xml, which must load without a warning. Freed by the caller through @p m. */
static const struct mw_object_def *parse_quietly(const char *xml, struct mw_model **m)
{
	struct mw_errbuf e;
	*m = mw_model_new();
	int rc = mw_ddf_parse(*m, "t.xml", bytes(xml), &e);
	if (rc < 1 || e.text[0])
		fail_msg("%d: %s", rc, e.text);
	return mw_model_at(*m, 0);
}

#define OBJECT(inside)                                                                                       \
	"<LWM2M><Object ObjectType=\"MODefinition\"><ObjectID>7</ObjectID>" inside "</Object></LWM2M>"
#define ITEMS(inside) OBJECT("<Resources>" inside "</Resources>")

static void test_complete(void **state)
{
	(void)state;
	struct mw_model *m;
	const struct mw_object_def *o = parse_quietly(
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- licence -->\n"
		"<LWM2M xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
		"xsi:noNamespaceSchemaLocation=\"LWM2M.xsd\">\n"
		"<Object ObjectType=\"MODefinition\"><Name>Probe</Name><Description1><![CDATA[Measures "
		"<things>]]>\t\t"
		"</Description1><ObjectID>33000</ObjectID><ObjectURN>urn:oma:lwm2m:x:33000:2.1</ObjectURN>"
		"<LWM2MVersion>1.1</LWM2MVersion><ObjectVersion>2.1</ObjectVersion>"
		"<MultipleInstances>Multiple</MultipleInstances><Mandatory>Mandatory</Mandatory><Resources>"
		"<Item "
		"ID=\"5700\"><Name>Level</Name><Operations>RW</Operations><MultipleInstances>Multiple</"
		"MultipleInstances>"
		"<Mandatory>Mandatory</Mandatory><Type>Unsigned Integer</Type><RangeEnumeration>0..10, "
		"99</RangeEnumeration>"
		"<Units>Cel</Units><Description>How much &amp; why</Description></Item>"
		"<Item "
		"ID=\"1\"><Name>Go</Name><Operations>E</Operations><MultipleInstances>Single</MultipleInstances>"
		"<Mandatory>Optional</Mandatory><Type></Type><RangeEnumeration/><Units/><Description/></Item>"
		"</Resources><Description2>More</Description2></Object></LWM2M>\n",
		&m);
	assert_int_equal(o->oid, 33000);
	assert_int_equal(o->version.major, 2);
	assert_int_equal(o->version.minor, 1);
	assert_int_equal(o->lwm2m.minor, 1);
	assert_true(o->multiple && o->mandatory);
	assert_string_equal(o->name, "Probe");
	assert_string_equal(o->urn, "urn:oma:lwm2m:x:33000:2.1");
	assert_string_equal(o->description, "Measures <things>");
	assert_string_equal(o->description2, "More");
	assert_string_equal(o->source, "t.xml");
	assert_int_equal(o->n_resources, 2);
	const struct mw_resource_def *r = mw_object_resource(o, 5700);
	assert_string_equal(r->name, "Level");
	assert_int_equal(r->operations, MW_OP_R | MW_OP_W);
	assert_int_equal(r->type, MW_TYPE_UNSIGNED);
	assert_true(r->multiple && r->mandatory);
	assert_string_equal(r->range_text, "0..10, 99");
	assert_int_equal(r->range.n_spans, 2);
	assert_string_equal(r->units, "Cel");
	assert_string_equal(r->description, "How much & why");
	r = mw_object_resource(o, 1);
	assert_int_equal(r->operations, MW_OP_E);
	assert_int_equal(r->type, MW_TYPE_NONE);
	assert_false(r->multiple || r->mandatory);
	assert_string_equal(r->units, "");
	mw_model_free(m);
}

/* All of these are one object 7 with resource 1 "N" of type Integer, R; none is worth a warning. */
static void test_habits(void **state)
{
	(void)state;
#define ITEM "<Item ID=\"1\"><Name>N</Name><Operations>R</Operations><Type>Integer</Type></Item>"
	static const char *const documents[] = {
		ITEMS(ITEM),
		"\xef\xbb\xbf" ITEMS(ITEM),
		"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>" ITEMS(ITEM),
		"<!-- licence before the root -->\n" ITEMS(ITEM),
		"<?xml version='1.0'?><?pi x?>" ITEMS(ITEM) "<!-- behind -->\n\n",
		/* other order; description2 early; fields missing */
		"<LWM2M><Object><Resources><Item "
		"ID=\"1\"><Type>Integer</Type><Units></Units><Operations>R</Operations>"
		"<Name>N</Name></Item></Resources><Description2/><ObjectID>7</ObjectID></Object></LWM2M>",
		/* spaces, CRLF, empty fields */
		ITEMS("<Item ID=\" 1 \">\r\n\t<Name>  N \r\n</Name>\r\n<Operations> R "
			  "</Operations><Type>\tInteger\n</Type>"
			  "<RangeEnumeration>   </RangeEnumeration><Units> \n</Units><Mandatory></Mandatory>"
			  "<MultipleInstances/></Item>"),
		OBJECT("<LWM2MVersion></LWM2MVersion><ObjectVersion/><Resources>" ITEM "</Resources>"),
		OBJECT("<LWM2MVersion>1.2.1</LWM2MVersion><Resources>" ITEM "</Resources>"),
		/* letter case, comments and CDATA inside text, character references */
		ITEMS("<Item ID=\"1\"><Name><![CDATA[N]]></Name><Operations>r</Operations><Type>INTEGER</Type>"
			  "<Mandatory>optional</Mandatory><MultipleInstances>SINGLE</MultipleInstances></Item>"),
		ITEMS("<Item ID=\"&#49;\"><Name><!-- c -->&#78;</Name><Operations>&#x52;</Operations>"
			  "<Type>Int<!-- c -->eger</Type></Item>"),
		/* prefixes, a second Resources */
		"<d:LWM2M xmlns:d=\"urn:x\"><d:Object><d:ObjectID>7</d:ObjectID><d:Resources/><d:Resources><d:Item "
		"ID=\"1\">"
		"<d:Name>N</d:Name><d:Operations>R</d:Operations><d:Type>Integer</d:Type></d:Item></d:Resources>"
		"</d:Object></d:LWM2M>",
		/* a field twice: the later one counts */
		ITEMS(
			"<Item ID=\"1\"><Name>X</Name><Name>N</Name><Operations>W</Operations><Operations>R</Operations>"
			"<Type>Integer</Type></Item>"),
	};
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct mw_model *m;
		const struct mw_object_def *o = parse_quietly(documents[i], &m);
		const struct mw_resource_def *r = mw_object_resource(o, 1);
		if (o->oid != 7 || o->version.major != 1 || o->version.minor || o->n_resources != 1 || !r ||
			strcmp(r->name, "N") || r->operations != MW_OP_R || r->type != MW_TYPE_INTEGER || r->mandatory ||
			r->multiple || *r->units || *r->range_text || r->range.kind)
			fail_msg("document %zu was read wrongly", i);
		mw_model_free(m);
	}
}

static void test_types_and_operations(void **state)
{
	(void)state;
	static const struct {
		const char *type, *operations;
		enum mw_type want_type;
		int want_operations;
	} cases[] = {
		{"String", "RW", MW_TYPE_STRING, MW_OP_R | MW_OP_W},
		{"Integer", "W", MW_TYPE_INTEGER, MW_OP_W},
		{"Unsigned Integer", "R", MW_TYPE_UNSIGNED, MW_OP_R},
		{"unsignedinteger", "R", MW_TYPE_UNSIGNED, MW_OP_R},
		{"Float", "R", MW_TYPE_FLOAT, MW_OP_R},
		{"boolean", "R", MW_TYPE_BOOLEAN, MW_OP_R},
		{"Opaque", "R", MW_TYPE_OPAQUE, MW_OP_R},
		{"Time", "R", MW_TYPE_TIME, MW_OP_R},
		{"Objlnk", "R", MW_TYPE_OBJLNK, MW_OP_R},
		{"ObjLnk", "WR", MW_TYPE_OBJLNK, MW_OP_R | MW_OP_W},
		{"CoreLnk", "R", MW_TYPE_CORELNK, MW_OP_R},
		{"", "E", MW_TYPE_NONE, MW_OP_E},
		{"none", "e", MW_TYPE_NONE, MW_OP_E},
		{"String", "E", MW_TYPE_STRING, MW_OP_E}, /* its argument */
		{"", "R", MW_TYPE_STRING, MW_OP_R},       /* a value of unknown type */
		{"", "W", MW_TYPE_STRING, MW_OP_W},
		{"Integer", "", MW_TYPE_INTEGER, 0}, /* bootstrap-server only */
		{"", "", MW_TYPE_NONE, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char xml[512];
		snprintf(xml, sizeof(xml), ITEMS("<Item ID=\"0\"><Operations>%s</Operations><Type>%s</Type></Item>"),
			cases[i].operations, cases[i].type);
		struct mw_model *m;
		const struct mw_resource_def *r = mw_object_resource(parse_quietly(xml, &m), 0);
		if (r->type != cases[i].want_type || r->operations != cases[i].want_operations)
			fail_msg("Type \"%s\" Operations \"%s\": got type %d, bits %d", cases[i].type,
				cases[i].operations, r->type, r->operations);
		mw_model_free(m);
	}
}

static void test_text_is_kept(void **state)
{
	(void)state;
	struct mw_model *m;
	const struct mw_object_def *o = parse_quietly(
		OBJECT("<Name>Gr\xc3\xb6\xc3\x9f"
			   "e &#x3bc;</Name><Description1>one\r\n two<!-- c --> <b>bold</b> three\r\n"
			   "</Description1><Resources><Item ID=\"4\"><Name>a\xc2\xa0z</Name></Item></Resources>"),
		&m);
	assert_string_equal(o->name, "Gr\xc3\xb6\xc3\x9f"
								 "e \xce\xbc");
	assert_string_equal(o->description, "one\n two bold three");
	assert_string_equal(mw_object_resource(o, 4)->name, "a\xc2\xa0z");
	mw_model_free(m);
}

static void test_several_objects(void **state)
{
	(void)state;
	struct mw_model *m = parse("<LWM2M><Object><ObjectID>9</ObjectID><Resources><Item "
							   "ID=\"3\"/></Resources></Object><Object><ObjectID>8</ObjectID>"
							   "<Resources><Item ID=\"3\"/></Resources></Object></LWM2M>");
	assert_int_equal(mw_model_count(m), 2);
	assert_int_equal(mw_model_at(m, 0)->oid, 8);
	assert_int_equal(mw_model_at(m, 0)->n_resources, 1);
	assert_int_equal(mw_model_at(m, 1)->n_resources, 1);
	mw_model_free(m);
}

/* What is refused: code, the whole message, and nothing of the file in the registry. */
static void test_refusals(void **state)
{
	(void)state;
	static const struct {
		const char *xml;
		int code;
		const char *want; /* beginning of the message */
	} cases[] = {
		{"", MW_E_FORMAT, "t.xml:1: no element found; an object definition is an <LWM2M> document"},
		{"<!-- only -->\n\n", MW_E_FORMAT, "t.xml:3: no element found"},
		{"hello", MW_E_FORMAT, "t.xml:1: not well-formed XML at column 1: "},
		{"<LWM2M>\n<Object>\n</LWM2M>", MW_E_FORMAT,
			"t.xml:3: not well-formed XML at column 3: mismatched tag"},
		{"<LWM2M><Object>", MW_E_FORMAT, "t.xml:1: no element found"},
		{OBJECT("<Name>\n&oops;</Name>"), MW_E_FORMAT,
			"t.xml:2: not well-formed XML at column 1: undefined entity"},
		{OBJECT("<Name>\xff</Name>"), MW_E_FORMAT, "t.xml:1: not well-formed XML"},
		{"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>" OBJECT("<Name>\xe4</Name>"), MW_E_FORMAT,
			"t.xml:1: not well-formed XML"},
		{OBJECT("") "<LWM2M/>", MW_E_FORMAT, "t.xml:1: not well-formed XML"},
		{"\n<units/>", MW_E_FORMAT, "t.xml:2: the document is a <units>; an object definition is an <LWM2M>"},
		{"<LWM2M>\n</LWM2M>", MW_E_FORMAT,
			"t.xml:2: no <Object> in the <LWM2M>; an object definition has one"},
		{"<LWM2M>\n<Object/></LWM2M>", MW_E_FORMAT,
			"t.xml:2: an <Object> without <ObjectID>; add it with the object's number"},
		{"<LWM2M><Object>\n<ObjectID>x1</ObjectID></Object></LWM2M>", MW_E_FORMAT,
			"t.xml:2: ObjectID is \"x1\"; write a number from 0 to 65534"},
		{"<LWM2M><Object><ObjectID>65535</ObjectID></Object></LWM2M>", MW_E_FORMAT,
			"t.xml:1: ObjectID is \"65535\"; write a number from 0 to 65534"},
		{"<LWM2M><Object><ObjectID></ObjectID></Object></LWM2M>", MW_E_FORMAT,
			"t.xml:1: ObjectID is \"\"; write"},
		{"<LWM2M><Object><ObjectID>-1</ObjectID></Object></LWM2M>", MW_E_FORMAT,
			"t.xml:1: ObjectID is \"-1\""},
		{"<LWM2M><Object><ObjectID>99999999999999999999</ObjectID></Object></LWM2M>", MW_E_FORMAT,
			"t.xml:1: ObjectID is \"99999999999999999999\"; write"},
		{OBJECT("\n\n<ObjectVersion>one</ObjectVersion>"), MW_E_FORMAT,
			"t.xml:3: ObjectVersion is \"one\"; write major.minor such as 1.0, or leave it out"},
		{OBJECT("<MultipleInstances>yes</MultipleInstances>"), MW_E_FORMAT,
			"t.xml:1: MultipleInstances is \"yes\"; write Multiple or Single"},
		{OBJECT("<Mandatory>required</Mandatory>"), MW_E_FORMAT,
			"t.xml:1: Mandatory is \"required\"; write Mandatory or Optional"},
		{ITEMS("\n<Item><Name>n</Name></Item>"), MW_E_FORMAT,
			"t.xml:2: an <Item> without ID; write <Item ID=\"0\"> with the resource's number"},
		{ITEMS("\n<Item ID=\"one\"/>"), MW_E_FORMAT,
			"t.xml:2: Item ID is \"one\"; write a number from 0 to 65534"},
		{ITEMS("<Item ID=\"\"/>"), MW_E_FORMAT, "t.xml:1: Item ID is \"\"; write a number from 0 to 65534"},
		{ITEMS("<Item ID=\"1\">\n<Operations>RX</Operations></Item>"), MW_E_FORMAT,
			"t.xml:2: Operations is \"RX\"; write R, W, RW or E, or nothing if only a bootstrap-server may "
			"use it"},
		{ITEMS("<Item ID=\"1\">\n\n\n<Type>Int\n32</Type></Item>"), MW_E_FORMAT,
			"t.xml:4: Type is \"Int 32\"; write String, Integer, Unsigned Integer, Float, Boolean, Opaque, "
			"Time, Objlnk or "
			"Corelnk, or nothing for a resource that is only executed"},
		/* a long word is cut between two characters */
		{ITEMS("<Item ID=\"1\"><Type>0123456789012345678901234567890123456789\xc3\xa4</Type></Item>"),
			MW_E_FORMAT, "t.xml:1: Type is \"0123456789012345678901234567890123456789...\"; "},
		{ITEMS("<Item ID=\"1\"><Type>012345678901234567890123456789012345678\xc3\xa4xyz</Type></Item>"),
			MW_E_FORMAT, "t.xml:1: Type is \"012345678901234567890123456789012345678...\"; "},
		/* the good object in front of a bad one does not get in either */
		{"<LWM2M><Object><ObjectID>1</ObjectID></Object>\n<Object/></LWM2M>", MW_E_FORMAT,
			"t.xml:2: an <Object>"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mw_model *m = mw_model_new();
		struct mw_errbuf e;
		int rc = mw_ddf_parse(m, "t.xml", bytes(cases[i].xml), &e);
		if (rc != cases[i].code || strncmp(e.text, cases[i].want, strlen(cases[i].want)))
			fail_msg("case %zu: got %d \"%s\", want %d \"%s\"", i, rc, e.text, cases[i].code, cases[i].want);
		assert_int_equal(mw_model_count(m), 0);
		assert_int_equal(mw_ddf_parse(m, "t.xml", bytes(cases[i].xml), NULL), rc);
		mw_model_free(m);
	}
}

static void test_doctype_refused(void **state)
{
	(void)state;
	static const char *const documents[] = {
		"<!DOCTYPE LWM2M>\n" OBJECT(""),
		"<!DOCTYPE LWM2M SYSTEM \"http://localhost/x.dtd\">\n" OBJECT(""),
		"<!DOCTYPE LWM2M PUBLIC \"p\" \"x.dtd\">\n" OBJECT(""),
		"<!DOCTYPE LWM2M [<!ENTITY x SYSTEM \"/etc/hostname\">]>" OBJECT("<Name>&x;</Name>"),
		"<!DOCTYPE LWM2M [<!ENTITY % p SYSTEM \"/etc/hostname\"> %p;]>" OBJECT(""),
		"<!DOCTYPE l [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">"
		"<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]>" OBJECT("<Name>&c;</Name>"),
		"<!DOCTYPE LWM2M [<!ATTLIST Item ID CDATA \"1\">]>" ITEMS("<Item/>"),
	};
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct mw_model *m = mw_model_new();
		struct mw_errbuf e;
		assert_int_equal(mw_ddf_parse(m, "x.xml", bytes(documents[i]), &e), MW_E_FORMAT);
		assert_string_equal(
			e.text, "x.xml:1: a DOCTYPE is not allowed (entities could be hidden in it); remove it");
		assert_int_equal(mw_model_count(m), 0);
		mw_model_free(m);
	}
}

struct told {
	int n, n_errors;
	char last[512];
	unsigned line;
};

static void on_problem(void *ud, const struct mw_ddf_problem *p)
{
	struct told *t = ud;
	t->n++;
	t->n_errors += p->code < 0;
	t->line = p->line;
	snprintf(t->last, sizeof(t->last), "%s", p->text);
}

static void test_warnings(void **state)
{
	(void)state;
	static const struct {
		const char *xml, *want;
		unsigned line;
		size_t n_resources;
	} cases[] = {
		{OBJECT("<MultipleInstances>Mulitple</MultipleInstances>"),
			"MultipleInstances is \"Mulitple\"; taken as Multiple", 1, 0},
		{OBJECT("\n<Mandatory>Optonal</Mandatory>"), "Mandatory is \"Optonal\"; taken as Optional", 2, 0},
		{OBJECT("<LWM2MVersion>x</LWM2MVersion>"), "LWM2MVersion is \"x\"; taken as 1.0", 1, 0},
		{OBJECT("<Colour><Name>deep</Name></Colour>"), "unknown element <Colour> in <Object> is ignored", 1,
			0},
		{ITEMS("<Item ID=\"1\"><Range>0..1</Range></Item>"), "unknown element <Range> in <Item> is ignored",
			1, 1},
		{ITEMS("<Thing/>"), "unknown element <Thing> in <Resources> is ignored", 1, 0},
		{OBJECT("<Item ID=\"1\"/>"), "unknown element <Item> in <Object> is ignored", 1, 0},
		{"<LWM2M>\n<Head/><Object><ObjectID>7</ObjectID></Object></LWM2M>",
			"unknown element <Head> in <LWM2M> is ignored", 2, 0},
		{ITEMS("<Item ID=\"1\"><Name>first</Name></Item>\n<Item ID=\"1\"><Name>second</Name></Item>"),
			"resource 1 is defined twice; the first one is used", 2, 1},
		{ITEMS("<Item ID=\"2\"/>\n\n<Item ID=\"65535\"><Type>?</Type></Item><Item ID=\"3\"/>"),
			"resource 65535 is ignored; ids end at 65534", 3, 2},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mw_model *m = mw_model_new();
		struct mw_ddf_stats stats = {0};
		struct told told = {0};
		struct mw_errbuf e;
		char want[600];
		snprintf(want, sizeof(want), "w.xml:%u: %s", cases[i].line, cases[i].want);
		assert_int_equal(
			mw_ddf_parse_counted(m, "w.xml", bytes(cases[i].xml), &stats, on_problem, &told, &e), 1);
		assert_string_equal(told.last, cases[i].want);
		assert_int_equal(told.line, cases[i].line);
		assert_int_equal(told.n, 1);
		assert_int_equal(told.n_errors, 0);
		assert_string_equal(e.text, want);
		assert_int_equal(stats.warnings, 1);
		assert_int_equal(stats.objects, 1);
		assert_int_equal(mw_model_at(m, 0)->n_resources, cases[i].n_resources);
		assert_string_equal(mw_model_at(m, 0)->name, "");
		mw_model_free(m);
	}
}

static void test_duplicates(void **state)
{
	(void)state;
	struct mw_model *m = mw_model_new();
	struct mw_ddf_stats stats = {0};
	struct told told = {0};
	struct mw_errbuf e;
	const char *first = OBJECT("<Name>A</Name>"), *other = OBJECT("<Name>B</Name>");
	assert_int_equal(mw_ddf_parse_counted(m, "a.xml", bytes(first), &stats, on_problem, &told, &e), 1);
	assert_string_equal(e.text, "");
	assert_int_equal(mw_ddf_parse_counted(m, "b.xml", bytes(first), &stats, on_problem, &told, &e), 0);
	assert_string_equal(e.text, "b.xml:1: object 7 version 1.0 was read from a.xml already");
	assert_int_equal(told.n, 0);
	assert_int_equal(mw_ddf_parse_counted(m, "c.xml", bytes(other), &stats, on_problem, &told, &e), 0);
	assert_string_equal(e.text, "c.xml:1: object 7 version 1.0 differs from the one of a.xml, which is used; "
								"give one of them another version");
	assert_int_equal(told.n, 1);
	assert_int_equal(stats.files, 3);
	assert_int_equal(stats.duplicates, 2);
	assert_int_equal(stats.conflicts, 1);
	assert_int_equal(mw_model_count(m), 1);
	assert_string_equal(mw_model_at(m, 0)->name, "A");
	mw_model_free(m);
}

/* Builds "<prefix><unit repeated n times><suffix>"; freed by the caller. */
static char *repeat(const char *prefix, const char *unit, size_t n, const char *suffix)
{
	size_t unit_len = strlen(unit);
	char *xml = malloc(strlen(prefix) + unit_len * n + strlen(suffix) + 1);
	assert_non_null(xml);
	char *p = stpcpy(xml, prefix);
	for (size_t i = 0; i < n; i++, p += unit_len)
		memcpy(p, unit, unit_len);
	stpcpy(p, suffix);
	return xml;
}

static void check_limit(char *xml, int want, const char *words)
{
	struct mw_model *m = mw_model_new();
	struct mw_errbuf e;
	int rc = mw_ddf_parse(m, "l.xml", bytes(xml), &e);
	if (rc != want || (rc < 0 && !strstr(e.text, words)))
		fail_msg("got %d \"%s\", want %d \"%s\"", rc, e.text, want, words);
	mw_model_free(m);
	free(xml);
}

static void test_text_limits(void **state)
{
	(void)state;
	static const struct {
		const char *element;
		bool is_item;
		size_t max;
	} cases[] = {
		{"Name", false, MW_DDF_NAME_MAX},
		{"ObjectURN", false, MW_DDF_NAME_MAX},
		{"Description1", false, MW_DDF_TEXT_MAX},
		{"Description2", false, MW_DDF_TEXT_MAX},
		{"Name", true, MW_DDF_NAME_MAX},
		{"Units", true, MW_DDF_NAME_MAX},
		{"RangeEnumeration", true, MW_DDF_RANGE_MAX},
		{"Description", true, MW_DDF_TEXT_MAX},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char open[200], close[200], words[100];
		snprintf(open, sizeof(open), "<LWM2M><Object><ObjectID>7</ObjectID>%s<%s>  ",
			cases[i].is_item ? "<Resources><Item ID=\"1\">" : "", cases[i].element);
		snprintf(close, sizeof(close), "</%s>%s</Object></LWM2M>", cases[i].element,
			cases[i].is_item ? "</Item></Resources>" : "");
		snprintf(words, sizeof(words), "l.xml:1: %s is longer than %zu bytes; shorten it", cases[i].element,
			cases[i].max);
		check_limit(repeat(open, "x", cases[i].max, close), 1, "");
		check_limit(repeat(open, "x", cases[i].max + 1, close), MW_E_LIMIT, words);
	}
}

static void test_structure_limits(void **state)
{
	(void)state;
	/* the innermost of 32 elements is fine: root, object, 30 unknown ones */
	char *closing = repeat("", "</a>", 30, "</Object></LWM2M>");
	check_limit(repeat("<LWM2M><Object><ObjectID>7</ObjectID>", "<a>", 30, closing), 1, "");
	free(closing);
	check_limit(
		repeat("<LWM2M><Object>", "<a>", 31, ""), MW_E_LIMIT, "more than 32 elements inside each other");
	check_limit(repeat("<LWM2M><Object><Name>", "<a>", 100000, ""), MW_E_LIMIT, "more than 32 elements");

	const char *object = "<Object><ObjectID>7</ObjectID></Object>";
	check_limit(repeat("<LWM2M>", object, MW_DDF_OBJECTS_MAX, "</LWM2M>"), 1, "");
	check_limit(
		repeat("<LWM2M>", object, MW_DDF_OBJECTS_MAX + 1, "</LWM2M>"), MW_E_LIMIT, "more than 64 objects");

	for (unsigned n = MW_DDF_ITEMS_MAX; n <= MW_DDF_ITEMS_MAX + 1; n++) {
		char *xml = repeat("<LWM2M><Object><ObjectID>7</ObjectID><Resources>", "<Item ID=\"00000\"/>", n,
			"</Resources></Object></LWM2M>");
		char *p = xml;
		for (unsigned i = 0; i < n; i++) {
			char id[12];
			snprintf(id, sizeof(id), "%05u", i);
			p = strstr(p, "ID=\"0") + 4;
			memcpy(p, id, 5);
		}
		check_limit(xml, n > MW_DDF_ITEMS_MAX ? MW_E_LIMIT : 1, "more than 4096 resources in one object");
	}

	size_t fixed = strlen(OBJECT("<!---->"));
	check_limit(repeat("<LWM2M><Object ObjectType=\"MODefinition\"><ObjectID>7</ObjectID><!--", "x",
					MW_DDF_FILE_MAX - fixed, "--></Object></LWM2M>"),
		1, "");
	check_limit(repeat("", " ", MW_DDF_FILE_MAX + 1, ""), MW_E_LIMIT,
		"l.xml:1: the file is longer than 4194304 bytes");
}

static void test_warning_flood(void **state)
{
	(void)state;
	char *xml = repeat("<LWM2M><Object><ObjectID>7</ObjectID>", "<a/>", 1000, "</Object></LWM2M>");
	struct mw_model *m = mw_model_new();
	struct mw_ddf_stats stats = {0};
	struct told told = {0};
	assert_int_equal(mw_ddf_parse_counted(m, "f.xml", bytes(xml), &stats, on_problem, &told, NULL), 1);
	assert_int_equal(told.n, MW_DDF_WARNINGS_MAX);
	assert_int_equal(stats.warnings, 1000);
	mw_model_free(m);
	free(xml);
}

/* ---- folders ---- */

struct folder {
	char root[64];
	char path[160]; /* the last answer of at() */
};

static const char *at(struct folder *f, const char *name)
{
	snprintf(f->path, sizeof(f->path), "%s/%s", f->root, name);
	return f->path;
}

static void write_file(struct folder *f, const char *name, const char *text)
{
	FILE *file = fopen(at(f, name), "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

static int setup_folder(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));
	if (!f)
		return -1;
	*state = f;
	snprintf(f->root, sizeof(f->root), "/tmp/mw_test_ddf_XXXXXX");
	return mkdtemp(f->root) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

static int teardown_folder(void **state)
{
	struct folder *f = *state;
	int rc = nftw(f->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return rc;
}

static void test_load_file(void **state)
{
	struct folder *f = *state;
	struct mw_model *m = mw_model_new();
	struct mw_errbuf e;
	char want[300];
	write_file(f, "7.xml", OBJECT("<Name>A</Name>"));
	assert_int_equal(mw_ddf_load_file(m, at(f, "7.xml"), &e), 1);
	assert_string_equal(mw_model_at(m, 0)->source, f->path);

	assert_int_equal(mw_ddf_load_file(m, at(f, "8.xml"), &e), MW_E_NOTFOUND);
	snprintf(want, sizeof(want), "%s: cannot be opened: No such file or directory", f->path);
	assert_string_equal(e.text, want);

	assert_int_equal(mw_ddf_load_file(m, f->root, &e), MW_E_IO);
	snprintf(want, sizeof(want), "%s: not a regular file; an object definition is an XML file", f->root);
	assert_string_equal(e.text, want);

	write_file(f, "9.xml", "<LWM2M>\n<Object/></LWM2M>");
	assert_int_equal(mw_ddf_load_file(m, at(f, "9.xml"), &e), MW_E_FORMAT);
	snprintf(want, sizeof(want), "%s:2: an <Object> without <ObjectID>", f->path);
	assert_memory_equal(e.text, want, strlen(want));

	write_file(f, "big.xml", "");
	assert_int_equal(truncate(at(f, "big.xml"), MW_DDF_FILE_MAX + 1), 0);
	assert_int_equal(mw_ddf_load_file(m, f->path, &e), MW_E_LIMIT);
	assert_non_null(strstr(e.text, "big.xml: the file is longer than 4194304 bytes; split it"));
	mw_model_free(m);
}

/* A pipe that nobody writes to must not hang the loader: if it does, the test runner's time limit tells. */
static void test_load_pipe(void **state)
{
	struct folder *f = *state;
	struct mw_model *m = mw_model_new();
	struct mw_errbuf e;
	assert_int_equal(mkfifo(at(f, "pipe.xml"), 0600), 0);
	assert_int_equal(mw_ddf_load_file(m, f->path, &e), MW_E_IO);
	assert_non_null(strstr(e.text, "not a regular file"));
	mw_model_free(m);
}

static void test_load_dir(void **state)
{
	struct folder *f = *state;
	write_file(f, "7.xml", OBJECT("<Name>root</Name><ObjectVersion>1.1</ObjectVersion>"));
	write_file(f, "8.XML", "<LWM2M><Object><ObjectID>8</ObjectID></Object></LWM2M>");
	write_file(f, "bad.xml", "<LWM2M>\n\n<oops></LWM2M>");
	write_file(f, "Common.xml", "<LWM2M><Object/></LWM2M>");
	write_file(f, "DDF.xml", "<DDFList/>");
	write_file(f, "LWM2M_senml_units.xml", "<units/>");
	write_file(f, "LWM2M.xsd", "<xs:schema/>");
	write_file(f, "README.md", "hello");
	write_file(f, ".hidden.xml", "nonsense");
	write_file(f, ".xml", "nonsense");
	assert_int_equal(mkdir(at(f, "version_history"), 0700), 0);
	assert_int_equal(mkdir(at(f, "other"), 0700), 0);
	assert_int_equal(mkdir(at(f, "version_history/version_history"), 0700), 0);
	write_file(f, "version_history/7-1_0.xml", OBJECT("<Name>old</Name>"));
	write_file(
		f, "version_history/7-1_1.xml", OBJECT("<Name>differs</Name><ObjectVersion>1.1</ObjectVersion>"));
	write_file(f, "other/99.xml", "<LWM2M><Object><ObjectID>99</ObjectID></Object></LWM2M>");
	write_file(f, "version_history/version_history/98.xml",
		"<LWM2M><Object><ObjectID>98</ObjectID></Object></LWM2M>");

	struct mw_model *m = mw_model_new();
	struct mw_ddf_stats stats = {0};
	struct told told = {0};
	struct mw_errbuf e;
	assert_int_equal(mw_ddf_load_dir(m, f->root, &stats, on_problem, &told, &e), 0);
	assert_int_equal(mw_model_count(m), 3);
	assert_string_equal(mw_model_object(m, 7, (struct mw_version){0})->name, "root");
	assert_string_equal(mw_model_object(m, 7, (struct mw_version){1, 0})->name, "old");
	assert_null(mw_model_object(m, 99, (struct mw_version){0}));
	assert_null(mw_model_object(m, 98, (struct mw_version){0}));
	assert_int_equal(stats.files, 4);
	assert_int_equal(stats.failed, 1);
	assert_int_equal(stats.objects, 3);
	assert_int_equal(stats.duplicates, 1);
	assert_int_equal(stats.conflicts, 1);
	assert_int_equal(stats.skipped, 6); /* Common, DDF, units, xsd, md, the folder "other" */
	assert_int_equal(told.n, 3);        /* <oops> unknown, its end missing, the conflict */
	assert_int_equal(told.n_errors, 1);
	assert_non_null(strstr(told.last, "differs from the one of "));
	assert_int_equal(mw_ddf_load_dir(m, f->root, NULL, NULL, NULL, NULL), 0); /* all of it again */
	assert_int_equal(mw_model_count(m), 3);

	assert_int_equal(mw_ddf_load_dir(m, at(f, "nowhere"), &stats, on_problem, &told, &e), MW_E_NOTFOUND);
	assert_non_null(strstr(e.text, "nowhere: cannot be opened as a folder: No such file"));
	assert_int_equal(mw_ddf_load_dir(m, at(f, "7.xml"), &stats, on_problem, &told, &e), MW_E_NOTFOUND);
	mw_model_free(m);
}

/* A folder named like a definition and a link to nowhere are told and stop nothing. */
static void test_load_dir_odd_entries(void **state)
{
	struct folder *f = *state;
	write_file(f, "z.xml", OBJECT(""));
	assert_int_equal(mkdir(at(f, "a.xml"), 0700), 0);
	assert_int_equal(symlink("/nowhere/at/all", at(f, "b.xml")), 0);
	write_file(f, "version_history", "a file of this name is no folder to read");
	struct mw_model *m = mw_model_new();
	struct mw_ddf_stats stats = {0};
	struct told told = {0};
	assert_int_equal(mw_ddf_load_dir(m, f->root, &stats, on_problem, &told, NULL), 0);
	assert_int_equal(mw_model_count(m), 1);
	assert_int_equal(stats.failed, 2);
	assert_int_equal(told.n_errors, 2);
	assert_int_equal(told.line, 0);
	assert_string_equal(told.last, "cannot be opened: No such file or directory");
	mw_model_free(m);
}

/* Of a very long path the end is shown, and the message still fits. */
static void test_long_file_name(void **state)
{
	(void)state;
	char *name = repeat("", "\xc3\xa4", 300, "/77.xml");
	struct mw_model *m = mw_model_new();
	struct mw_errbuf e;
	assert_int_equal(mw_ddf_parse(m, name, bytes("<x/>"), &e), MW_E_FORMAT);
	assert_true((e.text[0] & 0xc0) != 0x80);
	assert_non_null(strstr(e.text, "/77.xml:1: the document is a <x>; an object definition is an <LWM2M>"));
	mw_model_free(m);
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_habits),
		cmocka_unit_test(test_types_and_operations),
		cmocka_unit_test(test_text_is_kept),
		cmocka_unit_test(test_several_objects),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_doctype_refused),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_text_limits),
		cmocka_unit_test(test_structure_limits),
		cmocka_unit_test(test_warning_flood),
		cmocka_unit_test(test_long_file_name),
		cmocka_unit_test_setup_teardown(test_load_file, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(test_load_pipe, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(test_load_dir, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(test_load_dir_odd_entries, setup_folder, teardown_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
