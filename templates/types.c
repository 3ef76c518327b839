/* What the running kernel's own types say: see "This kernel's types" in driver.h. Part of the driver. */
#include <bpf/btf.h>
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC visibility push(default)
#include "driver.h"
#pragma GCC visibility pop
#include "host.h"

enum { MOST_HOPS = 64 }; /* typedefs and qualifiers in a row */

/* The kernel's types, then those of its modules, which are read only when the kernel itself does not have what is asked for. */
static struct {
	struct btf **of;
	size_t count;
	int modules; /* they were read */
} types;

static int types_add(struct btf *btf)
{
	struct btf **of = btf ? realloc(types.of, (types.count + 1) * sizeof(*of)) : NULL;

	if (!of) {
		btf__free(btf);
		return btf ? -ENOMEM : -errno;
	}
	types.of = of;
	types.of[types.count++] = btf;
	return 0;
}

static void types_add_modules(void)
{
	DIR *folder = opendir("/sys/kernel/btf");
	struct dirent *entry;

	types.modules = 1;
	while (folder && (entry = readdir(folder)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "vmlinux"))
			types_add(btf__load_module_btf(entry->d_name, types.of[0])); /* one that can't be read is as if not there */
	if (folder)
		closedir(folder);
}

/* The i-th of all types there are; NULL behind the last. */
static struct btf *types_at(size_t i)
{
	if (!types.count) {
		hear_libbpf();
		if (types_add(btf__load_vmlinux_btf()))
			return NULL;
	}
	if (i == 1 && !types.modules)
		types_add_modules();
	return i < types.count ? types.of[i] : NULL;
}

void er_types_end(void)
{
	while (types.count)
		btf__free(types.of[--types.count]);
	free(types.of);
	types.of = NULL;
	types.modules = 0;
}

/* Of this kernel or this module itself. */
static const struct btf_type *find(const struct btf *btf, const char *name, int kind, int or_kind)
{
	const struct btf *base = btf__base_btf(btf);
	__u32 id;

	for (id = base ? btf__type_cnt(base) : 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		int is = btf_kind(type);

		if ((is == kind || is == or_kind) && !strcmp(btf__name_by_offset(btf, type->name_off), name))
			return type;
	}
	return NULL;
}

static const struct btf_type *behind(const struct btf *btf, __u32 id)
{
	int hops;

	for (hops = 0; hops < MOST_HOPS; hops++) {
		const struct btf_type *type = btf__type_by_id(btf, id);

		switch (type ? btf_kind(type) : BTF_KIND_UNKN) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_CONST:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPE_TAG:
		case BTF_KIND_FUNC:
			id = type->type;
			continue;
		}
		return type;
	}
	return NULL;
}

static const char *word_of(const struct btf_type *type)
{
	int is_union = btf_is_union(type) || (btf_is_fwd(type) && btf_kflag(type));

	return is_union ? "union" : "struct";
}

static int say_parameter(char *to, size_t cap, const struct btf *btf, const char *name, __u32 id)
{
	const struct btf_type *type = behind(btf, id), *target;

	switch (type ? btf_kind(type) : BTF_KIND_UNKN) {
	case BTF_KIND_INT:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return snprintf(to, cap, "%s\tnumber\t%u\n", name, type->size);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return snprintf(to, cap, "%s\t%s %s\t%u\n", name, word_of(type), btf__name_by_offset(btf, type->name_off), type->size);
	case BTF_KIND_PTR:
		target = behind(btf, type->type);
		if (target && (btf_is_composite(target) || btf_is_fwd(target)) && target->name_off)
			return snprintf(to, cap, "%s\t%s %s *\t8\n", name, word_of(target),
					btf__name_by_offset(btf, target->name_off));
		return snprintf(to, cap, "%s\tpointer\t8\n", name);
	}
	return snprintf(to, cap, "%s\tunknown\t0\n", name);
}

static size_t left(size_t cap, size_t used)
{
	return used < cap ? cap - used : 0;
}

/* Parameters from the one of that number on; named NULL: by those of another prototype, or by number. */
static long say(char *buf, size_t cap, const struct btf *btf, const struct btf_type *proto, int from, const struct btf_type *names)
{
	const struct btf_param *p = btf_params(proto), *n = names ? btf_params(names) : NULL;
	size_t used = 0;
	int i;

	for (i = from; i < btf_vlen(proto); i++) {
		char number[16];
		const char *name = n ? btf__name_by_offset(btf, n[i].name_off) : "";

		if (!p[i].type) /* ... */
			continue;
		snprintf(number, sizeof(number), "arg%d", i - from);
		used += say_parameter(buf + (used < cap ? used : cap), left(cap, used), btf, *name ? name : number, p[i].type);
	}
	return used;
}

static long say_function(const struct btf *btf, const char *name, char *buf, size_t cap)
{
	const struct btf_type *function = find(btf, name, BTF_KIND_FUNC, 0), *proto = function ? behind(btf, function->type) : NULL;
	long used;

	if (!proto || !btf_is_func_proto(proto))
		return -ENOENT;
	used = say(buf, cap, btf, proto, 0, proto);
	if (proto->type)
		used += say_parameter(buf + ((size_t)used < cap ? (size_t)used : cap), left(cap, used), btf, "=", proto->type);
	return used;
}

/* btf_trace_NAME has the types alone; the names are those of the function that calls the probes, if it is called alike. */
static long say_tracepoint(const struct btf *btf, const char *name, char *buf, size_t cap)
{
	static const char *const callers[] = {"__traceiter_", "__bpf_trace_"};
	const struct btf_type *pointer, *proto;
	char called[256], own[4096], other[4096];
	const struct btf_type *type;
	size_t i;

	snprintf(called, sizeof(called), "btf_trace_%s", name);
	type = find(btf, called, BTF_KIND_TYPEDEF, 0);
	pointer = type ? behind(btf, type->type) : NULL;
	proto = pointer && btf_is_ptr(pointer) ? behind(btf, pointer->type) : NULL;
	if (!proto || !btf_is_func_proto(proto))
		return -ENOENT;
	say(own, sizeof(own), btf, proto, 1, NULL);
	for (i = 0; i < sizeof(callers) / sizeof(*callers); i++) {
		const struct btf_type *caller;

		snprintf(called, sizeof(called), "%s%s", callers[i], name);
		type = find(btf, called, BTF_KIND_FUNC, 0);
		caller = type ? behind(btf, type->type) : NULL;
		if (!caller || !btf_is_func_proto(caller) || btf_vlen(caller) != btf_vlen(proto))
			continue;
		say(other, sizeof(other), btf, caller, 1, NULL);
		if (!strcmp(own, other))
			return say(buf, cap, btf, caller, 1, caller);
	}
	return say(buf, cap, btf, proto, 1, NULL);
}

long er_signature(const char *kind, const char *name, char *buf, size_t cap)
{
	int is_function = !strcmp(kind, "function");
	const struct btf *btf;
	long length = -ENOENT;
	size_t i;

	for (i = 0; length == -ENOENT && (btf = types_at(i)); i++)
		length = is_function ? say_function(btf, name, buf, cap) : say_tracepoint(btf, name, buf, cap);
	return length >= (long)cap ? -EMSGSIZE : length;
}

/* "[]" for each array around it, then what it is, as libbpf compares members of the same name. */
static int is_of_kind(const struct btf *btf, __u32 id, const char *kind)
{
	static const char *const words[] = {
		[BTF_KIND_INT] = "int", [BTF_KIND_PTR] = "ptr", [BTF_KIND_STRUCT] = "struct", [BTF_KIND_UNION] = "struct",
		[BTF_KIND_ENUM] = "enum", [BTF_KIND_ENUM64] = "enum", [BTF_KIND_FWD] = "fwd", [BTF_KIND_FUNC_PROTO] = "proto",
		[BTF_KIND_FLOAT] = "float",
	};
	const struct btf_type *type = behind(btf, id);
	size_t number;

	while (type && btf_is_array(type) && !strncmp(kind, "[]", 2)) {
		type = behind(btf, btf_array(type)->type);
		kind += 2;
	}
	number = type ? btf_kind(type) : 0;
	return number < sizeof(words) / sizeof(*words) && words[number] && !strcmp(words[number], kind);
}

/* The member's offset in bytes; -ENOENT where there is none, -EDOM where it is of another kind. Inside of members without a name,
 * too. */
static int offset_of(const struct btf *btf, const struct btf_type *type, const char *name, const char *kind, int hops)
{
	const struct btf_member *m = btf_members(type);
	int i;

	for (i = 0; i < btf_vlen(type); i++, m++) {
		const char *own = btf__name_by_offset(btf, m->name_off);
		int at = btf_member_bit_offset(type, i) / 8, inside;
		const struct btf_type *inner;

		if (*name && !strcmp(own, name))
			return !*kind || is_of_kind(btf, m->type, kind) ? at : -EDOM;
		inner = *own || hops == MOST_HOPS ? NULL : behind(btf, m->type);
		inside = inner && btf_is_composite(inner) ? offset_of(btf, inner, name, kind, hops + 1) : -ENOENT;
		if (inside != -ENOENT)
			return inside < 0 ? inside : at + inside;
	}
	return -ENOENT;
}

int er_member(const char *structure, const char *member, const char *kind)
{
	const struct btf *btf;
	size_t i;

	for (i = 0; (btf = types_at(i)); i++) {
		const struct btf_type *type = find(btf, structure, BTF_KIND_STRUCT, BTF_KIND_UNION);

		if (type)
			return offset_of(btf, type, member, kind, 0);
	}
	return -ENOENT;
}
