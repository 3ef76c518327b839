// SPDX-License-Identifier: GPL-2.0
/*
 * histogram: Every kind of metric and every verb.
 *
 * Made by ebpfgen from histogram.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "histogram.h"

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
const volatile struct histogram_config config = {};

/* powers of two */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct log_value);
} log_map SEC(".maps");

/* steps */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct even_value);
} even SEC(".maps");

/* a sum */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} total SEC(".maps");

/* the last */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __s64);
} last SEC(".maps");

/* up and down */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __s64);
} level SEC(".maps");

/* the least */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct least_value);
} least SEC(".maps");

/* the greatest */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct most_value);
} most SEC(".maps");

enum counter {
	MAP_FULL_EVEN,
	MAP_FULL_TOTAL,
	MAP_FULL_LEVEL,
	MAP_FULL_LEAST,
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

/* The entry of even under key; made with zeroes when there is none. NULL when there is no room. */
static struct even_value *at_even(const __u32 *key)
{
	static const struct even_value zero = {};
	struct even_value *value = bpf_map_lookup_elem(&even, key);

	if (value)
		return value;
	bpf_map_update_elem(&even, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&even, key);
	if (!value)
		count(MAP_FULL_EVEN);
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

/* The entry of level under key; made with zeroes when there is none. NULL when there is no room. */
static __s64 *at_level(const __u32 *key)
{
	static const __s64 zero = {};
	__s64 *value = bpf_map_lookup_elem(&level, key);

	if (value)
		return value;
	bpf_map_update_elem(&level, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&level, key);
	if (!value)
		count(MAP_FULL_LEVEL);
	return value;
}

/* The entry of least under key; made with zeroes when there is none. NULL when there is no room. */
static struct least_value *at_least(const __u32 *key)
{
	static const struct least_value zero = {};
	struct least_value *value = bpf_map_lookup_elem(&least, key);

	if (value)
		return value;
	bpf_map_update_elem(&least, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&least, key);
	if (!value)
		count(MAP_FULL_LEAST);
	return value;
}

/* The power of two at or below a value: 0 and 1 → 0, 2 and 3 → 1, 4 to 7 → 2 … */
static __always_inline __u32 log2_of(__u64 value)
{
	__u32 log = 0, shift;

	shift = (value > 0xffffffff) << 5;
	value >>= shift;
	log |= shift;
	shift = (value > 0xffff) << 4;
	value >>= shift;
	log |= shift;
	shift = (value > 0xff) << 3;
	value >>= shift;
	log |= shift;
	shift = (value > 0xf) << 2;
	value >>= shift;
	log |= shift;
	shift = (value > 0x3) << 1;
	value >>= shift;
	return log | shift | (value >> 1);
}

static __always_inline void observe_log(__u64 amount, __u16 weight)
{
	__u32 zero = 0;
	struct log_value *value = bpf_map_lookup_elem(&log_map, &zero);
	__u32 slot = log2_of(amount);

	barrier_var(slot); /* else the compiler masks parts of it only, and Linux 5.10 no longer sees the bound */
	slot &= 63;
	if (!value)
		return;
	__sync_fetch_and_add(&value->count, weight);
	__sync_fetch_and_add(&value->sum, amount * weight);
	__sync_fetch_and_add(&value->slots[slot], weight);
}

static __always_inline void observe_even(const __u32 *key, __u64 amount, __u16 weight)
{
	struct even_value *value = at_even(key);
	__u64 slot = amount < 100 ? 0 : (amount - 100) / 100 + 1;

	if (slot > 11)
		slot = 11;
	if (!value)
		return;
	__sync_fetch_and_add(&value->count, weight);
	__sync_fetch_and_add(&value->sum, amount * weight);
	__sync_fetch_and_add(&value->slots[slot], weight);
}

static __always_inline void add_to_total(const __u32 *key, __u64 amount, __u16 weight)
{
	__u64 *value = at_total(key);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

static __always_inline void set_last(__s64 amount)
{
	__u32 zero = 0;
	__s64 *value = bpf_map_lookup_elem(&last, &zero);

	if (value)
		*value = amount;
}

static __always_inline void add_to_level(const __u32 *key, __s64 amount)
{
	__s64 *value = at_level(key);

	if (value)
		__sync_fetch_and_add(value, amount);
}

static __always_inline void min_least(const __u32 *key, __s64 amount)
{
	struct least_value *value = at_least(key);

	if (!value)
		return;
	if (!value->count || amount < value->value)
		value->value = amount;
	__sync_fetch_and_add(&value->count, 1);
}

static __always_inline void max_most(__s64 amount)
{
	__u32 zero = 0;
	struct most_value *value = bpf_map_lookup_elem(&most, &zero);

	if (!value)
		return;
	if (!value->count || amount > value->value)
		value->value = amount;
	__sync_fetch_and_add(&value->count, 1);
}

/* tracepoint:syscalls:sys_enter_read (histogram.yaml:15): sys_enter_read */
SEC("?tracepoint/syscalls/sys_enter_read")
int sys_enter_read(struct trace_event_raw_sys_enter *ctx)
{
	__u16 weight;
	__u64 count_, pid_tgid2;
	__u32 key3;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	count_ = ctx->args[2];
	barrier_var(count_);
	if (weight) {
		__u32 key, key2;
		__u64 pid_tgid;

		observe_log(count_, weight);
		key = (__u32)ctx->args[0];
		observe_even(&key, (__u64)250000 / 1000, weight);
		pid_tgid = bpf_get_current_pid_tgid();
		key2 = pid_tgid >> 32;
		add_to_total(&key2, count_, weight);
	}
	set_last((__s64)count_);
	pid_tgid2 = bpf_get_current_pid_tgid();
	key3 = pid_tgid2 >> 32;
	add_to_level(&key3, (__s64)count_);
	add_to_level(&key3, -1);
	min_least(&key3, (__s64)count_);
	max_most((__s64)count_);
	return 0;
}
