// SPDX-License-Identifier: GPL-2.0
/*
 * untyped_tracepoint: A tracepoint whose record the kernel's types do not have.
 *
 * Made by ebpfgen from untyped_tracepoint.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "untyped_tracepoint.h"

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

struct cgroup___other { /* cgroup as other kernels have it */
	__u64 ancestor_ids[1];
	struct cgroup *ancestors[1];
} __attribute__((preserve_access_index));

/* tracepoint:thermal:thermal_trip, as its format file lays it out. */
struct tracepoint_thermal_thermal_trip {
	__u8 __gap0[8];
	__u32 zone;
	__s32 id;
	__u64 temp;
	__u8 raw[6];
};

/* Set by ebpfrun between open and load; the verifier drops what is switched off. */
const volatile struct untyped_tracepoint_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct trip_event *const __layout_of_trip_event SEC(".layout") __attribute__((used));

enum counter {
	PRODUCED_TRIP,
	FAULTED_TRIP_ZONE,
	TRUNCATED_TRIP_ZONE,
	RING_FULL_TRIP,
	SAMPLED_TRIP,
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
 * The kernel wakes ebpfrun with the first record after it has read all others. It then waits for more, and is woken
 * before its time only where a quarter of the ring has just filled: by the few records that cross that mark.
 */
static __always_inline void submit(void *record, __u64 size)
{
	__u64 waiting = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);

	bpf_ringbuf_submit(record, waiting - config.ring_mark < 4 * size ? BPF_RB_FORCE_WAKEUP : 0);
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

/* tracepoint:thermal:thermal_trip (untyped_tracepoint.yaml:9): thermal_trip */
SEC("?tracepoint/thermal/thermal_trip")
int thermal_trip(struct tracepoint_thermal_thermal_trip *ctx)
{
	__u64 temp;
	__u16 weight;
	struct trip_event *e;

	if (config.filter_on && !wanted())
		return 0;
	temp = ctx->temp;
	if (temp <= 60000)
		return 0;
	weight = sample();
	count(PRODUCED_TRIP);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 0;
		e->__weight = weight;
		e->__marks = 0;
		e->__marks |= read_kernel_string(e->zone, sizeof(e->zone), (void *)ctx + (ctx->zone & 0xffff),
						 TRUNCATED_TRIP_ZONE, FAULTED_TRIP_ZONE);
		e->id = ctx->id;
		e->kelvin = (temp + 273150) / 1000;
		e->first = ctx->raw[0];
		__builtin_memset(e->__pad0, 0, sizeof(e->__pad0));
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_TRIP : SAMPLED_TRIP);
	}
	return 0;
}
