// SPDX-License-Identifier: GPL-2.0
/*
 * maps: State between probes, and everything that may be done to it.
 *
 * Made by ebpfgen from maps.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "maps.h"

char LICENSE[] SEC("license") = "GPL";

/* What is used of the kernel's types; CO-RE finds the members at load. */
struct cgroup {
	__s32 level;
	struct kernfs_node *kn;
} __attribute__((preserve_access_index));

struct css_set {
	struct cgroup *dfl_cgrp;
} __attribute__((preserve_access_index));

struct kernfs_node {
	__u64 id;
} __attribute__((preserve_access_index));

struct task_struct {
	struct css_set *cgroups;
} __attribute__((preserve_access_index));

struct trace_event_raw_sys_enter {
	__u64 args[6];
} __attribute__((preserve_access_index));

struct cgroup___other { /* cgroup as other kernels have it */
	__u64 ancestor_ids[1];
	struct cgroup *ancestors[1];
} __attribute__((preserve_access_index));

/* Set by ebpfrun between open and load; the verifier drops what is switched off. */
const volatile struct maps_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct again_event *const __layout_of_again_event SEC(".layout") __attribute__((used));

struct seen_value_taken {
	__u64 users;
	struct seen_value record;
};

struct large_value_taken {
	__u64 users;
	struct large_value record;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct seen_key);
	__type(value, struct seen_value);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u64);
	__type(value, struct large_value);
} large SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} total SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __s64);
} one SEC(".maps");

/* Built here: too large for the stack. An entry is one program's at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct seen_value_taken);
} seen_value_taken SEC(".maps");

/* Built here: too large for the stack. An entry is one program's at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct large_value_taken);
} large_value_taken SEC(".maps");

enum counter {
	ABSENT_SEEN,
	FAULTED_SYS_ENTER_OPENAT_PATH,
	TRUNCATED_SYS_ENTER_OPENAT_PATH,
	MAP_FULL_SEEN,
	NESTED_SEEN,
	MAP_FULL_LARGE,
	NESTED_LARGE,
	MAP_FULL_ONE,
	ABSENT_TOTAL,
	PRODUCED_AGAIN,
	FAULTED_AGAIN_PATH,
	TRUNCATED_AGAIN_PATH,
	RING_FULL_AGAIN,
	SAMPLED_AGAIN,
	MAP_FULL_TOTAL,
	COUNTERS,
};

/* What was produced, and what was lost where. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Atomic, since an interrupt on this CPU may count in between. */
static __always_inline void count(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &which);

	if (n)
		__sync_fetch_and_add(n, 1);
}

enum { BY_PID = 1, BY_TID = 2, BY_UID = 4, BY_COMM = 8, BY_CGROUP = 16 };

/* The id of the cgroup at that level below the root which a task is in or below; 0 when there is none. */
static __always_inline __u64 cgroup_of(struct task_struct *task, __u32 level)
{
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp), *ancestor = NULL;
	__u64 id = 0;

	if (BPF_CORE_READ(cgroup, level) < (int)level)
		return 0;
	if (bpf_core_field_exists(struct cgroup___other, ancestors)) { /* Linux 6.1 */
		const void *ancestors = (void *)cgroup + bpf_core_field_offset(struct cgroup___other, ancestors);

		bpf_probe_read_kernel(&ancestor, sizeof(ancestor), ancestors + level * sizeof(ancestor));
		id = BPF_CORE_READ(ancestor, kn, id);
	} else {
		const void *ids = (void *)cgroup + bpf_core_field_offset(struct cgroup___other, ancestor_ids);

		bpf_probe_read_kernel(&id, sizeof(id), ids + level * sizeof(id));
	}
	return id;
}

/* The common filters (--pid, --tid, --uid, --comm, --cgroup) applied to the current task. */
static __noinline bool wanted(void)
{
	if (config.filter_on & BY_PID && bpf_get_current_pid_tgid() >> 32 != config.filter_pid)
		return false;
	if (config.filter_on & BY_TID && (__u32)bpf_get_current_pid_tgid() != config.filter_tid)
		return false;
	if (config.filter_on & BY_UID && (__u32)bpf_get_current_uid_gid() != config.filter_uid)
		return false;
	if (config.filter_on & BY_CGROUP) {
		/* bpf_get_current_ancestor_cgroup_id came to tracing with Linux 5.15 only. */
		struct task_struct *task = (struct task_struct *)bpf_get_current_task();

		if (cgroup_of(task, config.filter_cgroup_level) != config.filter_cgroup)
			return false;
	}
	if (config.filter_on & BY_COMM) {
		char comm[16];

		bpf_get_current_comm(comm, sizeof(comm));
		for (int i = 0; i < sizeof(comm); i++) {
			if (comm[i] != config.filter_comm[i])
				return false;
			if (!comm[i])
				break;
		}
	}
	return true;
}

/* One in how many events counts, less 1; ebpfrun changes it while it runs, to hold a budget. */
volatile __u32 sampling SEC(".data.sampling") = 0;

/* How many events this one stands for, 0 when it is passed over. By chance, since what is traced may be periodic. */
static __always_inline __u16 sample(void)
{
	__u32 mask;

	if (!config.sampling)
		return 1;
	mask = sampling;
	return bpf_get_prandom_u32() & mask ? 0 : mask + 1;
}

/*
 * An entry of this CPU that nobody else has, or NULL. Programs interrupt one another, and some kernels let a thread
 * give way to another that runs the same program: whoever is not the only one of an entry leaves it alone.
 */
static __noinline void *take(void *scratch)
{
	for (__u32 i = 0; i < 4; i++) {
		__u32 entry = i;
		__u64 *users = bpf_map_lookup_elem(scratch, &entry);

		if (!users)
			break;
		__sync_fetch_and_add(users, 1);
		if (*(volatile __u64 *)users == 1)
			return users + 1;
		__sync_fetch_and_add(users, -1);
	}
	return NULL;
}

static __always_inline void give_back(void *record)
{
	__sync_fetch_and_add((__u64 *)record - 1, -1);
}

/*
 * The kernel wakes ebpfrun with the first record after it has read all others. It then waits for more, and is woken
 * before its time only where a quarter of the ring has just filled: by the few records that cross that mark.
 */
static __always_inline void submit(void *record, __u64 size)
{
	__u64 waiting = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);

	bpf_ringbuf_submit(record, waiting - config.ring_mark < 4 * size ? BPF_RB_FORCE_WAKEUP : 0);
}

/*
 * Text of the spec is taken in pieces of which clang makes numbers: copied or compared as a whole it would leave the
 * text behind, in a map of its own that no program asks.
 */
#define SAME(number) ({ \
	number __a, __b; \
\
	__builtin_memcpy(&__a, a + at, sizeof(__a)); \
	__builtin_memcpy(&__b, text + at, sizeof(__b)); \
	at += sizeof(__a); \
	__a == __b; \
})

static __always_inline bool is_text(const char *a, const char *text, __u32 size)
{
	__u32 at = 0;

#pragma unroll
	while (at + 8 <= size) {
		if (!SAME(__u64))
			return false;
	}
	if (size & 4 && !SAME(__u32))
		return false;
	if (size & 2 && !SAME(__u16))
		return false;
	return !(size & 1) || SAME(__u8);
}

enum { CUT = 1, UNREADABLE = 2 };

/* Reads a C string; returns and counts whether it was cut or could not be read. */
static __always_inline __u32 read_kernel_string(char *to, __u32 size, const void *from, __u32 cut, __u32 unreadable)
{
	long n = bpf_probe_read_kernel_str(to, size, from);
	char last = 0;

	if (n < 0) { /* to is all zeroes then */
		count(unreadable);
		return UNREADABLE;
	}
	/* Full to the last byte: cut, unless the string ends just there. */
	if (n == size && !bpf_probe_read_kernel(&last, 1, from + size - 1) && last) {
		count(cut);
		return CUT;
	}
	return 0;
}

/* Reads a C string; returns and counts whether it was cut or could not be read. */
static __always_inline __u32 read_user_string(char *to, __u32 size, const void *from, __u32 cut, __u32 unreadable)
{
	long n = bpf_probe_read_user_str(to, size, from);
	char last = 0;

	if (n < 0) { /* to is all zeroes then */
		count(unreadable);
		return UNREADABLE;
	}
	/* Full to the last byte: cut, unless the string ends just there. */
	if (n == size && !bpf_probe_read_user(&last, 1, from + size - 1) && last) {
		count(cut);
		return CUT;
	}
	return 0;
}

/* The entry of seen under key; made with zeroes when there is none. NULL when there is no room. */
static struct seen_value *at_seen(const struct seen_key *key)
{
	static const struct seen_value zero = {};
	struct seen_value *value = bpf_map_lookup_elem(&seen, key);

	if (value)
		return value;
	bpf_map_update_elem(&seen, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&seen, key);
	if (!value)
		count(MAP_FULL_SEEN);
	return value;
}

/* The entry of total under key; made with zeroes when there is none. NULL when there is no room. */
static __u64 *at_total(const __u32 *key)
{
	static const __u64 zero = {};
	__u64 *value = bpf_map_lookup_elem(&total, key);

	if (value)
		return value;
	bpf_map_update_elem(&total, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&total, key);
	if (!value)
		count(MAP_FULL_TOTAL);
	return value;
}

/* The entry of one under key; made with zeroes when there is none. NULL when there is no room. */
static __s64 *at_one(const __u32 *key)
{
	static const __s64 zero = {};
	__s64 *value = bpf_map_lookup_elem(&one, key);

	if (value)
		return value;
	bpf_map_update_elem(&one, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&one, key);
	if (!value)
		count(MAP_FULL_ONE);
	return value;
}

/* tracepoint:syscalls:sys_enter_openat (maps.yaml:15): sys_enter_openat */
SEC("?tracepoint/syscalls/sys_enter_openat")
int sys_enter_openat(struct trace_event_raw_sys_enter *ctx)
{
	__u64 pid_tgid, key2, *value4;
	struct seen_key key;
	struct seen_value *seen_entry;
	__u32 before, key3, key4;
	const char *filename;
	struct large_value *value3;
	__s64 value5, *value6;
	__u16 weight;

	if (config.filter_on && !wanted())
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	__builtin_memset(&key, 0, sizeof(key));
	key.pid = pid_tgid >> 32;
	bpf_get_current_comm(key.name, sizeof(key.name));
	seen_entry = bpf_map_lookup_elem(&seen, &key);
	before = seen_entry ? seen_entry->times : 0;
	filename = (void *)ctx->args[1];
	if (seen_entry) {
		struct seen_value *value = at_seen(&key);
		struct seen_value *seen_entry2;

		if (value)
			__sync_fetch_and_add(&value->times, 1);
		seen_entry2 = bpf_map_lookup_elem(&seen, &key);
		if (seen_entry2)
			seen_entry2->flags = 1;
		else
			count(ABSENT_SEEN);
		if (seen_entry2) {
			seen_entry2->__marks &= ~3;
			seen_entry2->__marks |= read_user_string(seen_entry2->path, sizeof(seen_entry2->path), filename,
								 TRUNCATED_SYS_ENTER_OPENAT_PATH,
								 FAULTED_SYS_ENTER_OPENAT_PATH);
		} else {
			count(ABSENT_SEEN);
		}
	} else {
		__u64 now = bpf_ktime_get_ns();
		struct seen_value *value2 = take(&seen_value_taken);

		if (value2) {
			__builtin_memset(value2, 0, sizeof(*value2));
			value2->first = now;
			value2->times = 1;
			value2->__marks |= read_user_string(value2->path, sizeof(value2->path), filename,
							    TRUNCATED_SYS_ENTER_OPENAT_PATH,
							    FAULTED_SYS_ENTER_OPENAT_PATH);
			if (bpf_map_update_elem(&seen, &key, value2, BPF_ANY))
				count(MAP_FULL_SEEN);
			give_back(value2);
		} else {
			count(NESTED_SEEN);
		}
	}
	key2 = (__u32)(__s32)ctx->args[0];
	value3 = take(&large_value_taken);
	if (value3) {
		__builtin_memset(value3, 0, sizeof(*value3));
		value3->__marks |= read_user_string(value3->path, sizeof(value3->path), filename,
						    TRUNCATED_SYS_ENTER_OPENAT_PATH, FAULTED_SYS_ENTER_OPENAT_PATH);
		value3->size = 4096;
		if (bpf_map_update_elem(&large, &key2, value3, BPF_ANY))
			count(MAP_FULL_LARGE);
		give_back(value3);
	} else {
		count(NESTED_LARGE);
	}
	key3 = 1;
	value4 = at_total(&key3);
	if (value4)
		__sync_fetch_and_add(value4, before);
	key4 = (__u32)pid_tgid;
	value5 = -1;
	if (bpf_map_update_elem(&one, &key4, &value5, BPF_ANY))
		count(MAP_FULL_ONE);
	value6 = at_one(&key4);
	if (value6)
		__sync_fetch_and_add(value6, (__u64)(__u16)ctx->args[3]);
	weight = sample();
	if (before > 3) {
		char comm[16] = {};

		bpf_get_current_comm(comm, sizeof(comm));
		if (!is_text(comm, "bash", 5)) {
			__u64 now2 = bpf_ktime_get_ns();
			struct seen_value *seen_entry3 = bpf_map_lookup_elem(&seen, &key);
			__u64 *total_entry;
			__s64 *one_entry;
			struct again_event *e;

			if (!seen_entry3) {
				count(ABSENT_SEEN);
				return 0;
			}
			total_entry = bpf_map_lookup_elem(&total, &key3);
			if (!total_entry) {
				count(ABSENT_TOTAL);
				return 0;
			}
			one_entry = bpf_map_lookup_elem(&one, &key4);
			count(PRODUCED_AGAIN);
			e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
			if (e) {
				e->__id = 0;
				e->__weight = weight;
				e->__marks = 0;
				e->pid = pid_tgid >> 32;
				bpf_get_current_comm(e->comm, sizeof(e->comm));
				e->age = now2 - seen_entry3->first;
				e->times = seen_entry3->times;
				e->__marks |= seen_entry3->__marks & 3;
				e->__marks |= read_kernel_string(e->path, sizeof(e->path), seen_entry3->path,
								 TRUNCATED_AGAIN_PATH, FAULTED_AGAIN_PATH);
				e->total = *total_entry;
				e->only = one_entry ? *one_entry : -1;
				__builtin_memset(e->__pad0, 0, sizeof(e->__pad0));
				__builtin_memset(e->__pad1, 0, sizeof(e->__pad1));
				submit(e, sizeof(*e));
			} else {
				count(weight ? RING_FULL_AGAIN : SAMPLED_AGAIN);
			}
		}
	}
	if (before == 10)
		bpf_map_delete_elem(&seen, &key);
	return 0;
}
