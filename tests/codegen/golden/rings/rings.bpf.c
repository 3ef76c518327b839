// SPDX-License-Identifier: GPL-2.0
/*
 * rings: A ring for each event, and a map with the name that one of them would have.
 *
 * Made by ebpfgen from rings.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "rings.h"

char LICENSE[] SEC("license") = "GPL";

/* What is used of the kernel's types; CO-RE finds the members at load. */
struct trace_event_raw_sys_enter;
struct trace_event_raw_sys_exit;

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

/* Set by ebpfrun between open and load; the verifier drops what is switched off. */
const volatile struct rings_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events_enter SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events_leave SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct enter_event *const __layout_of_enter_event SEC(".layout") __attribute__((used));
static const struct leave_event *const __layout_of_leave_event SEC(".layout") __attribute__((used));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} events_enter_map SEC(".maps");

enum counter {
	MAP_FULL_EVENTS_ENTER,
	PRODUCED_ENTER,
	RING_FULL_ENTER,
	SAMPLED_ENTER,
	PRODUCED_LEAVE,
	RING_FULL_LEAVE,
	SAMPLED_LEAVE,
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
static __always_inline void submit(void *ring, void *record, __u64 size)
{
	__u64 waiting = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);

	bpf_ringbuf_submit(record, waiting - config.ring_mark < 4 * size ? BPF_RB_FORCE_WAKEUP : 0);
}

/* tracepoint:syscalls:sys_enter_getpid (rings.yaml:11): sys_enter_getpid */
SEC("?tracepoint/syscalls/sys_enter_getpid")
int sys_enter_getpid(struct trace_event_raw_sys_enter *ctx)
{
	__u64 pid_tgid, now, value;
	__u32 key;
	__u16 weight;
	struct enter_event *e;

	if (config.filter_on && !wanted())
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	key = pid_tgid >> 32;
	now = bpf_ktime_get_ns();
	value = now;
	if (bpf_map_update_elem(&events_enter_map, &key, &value, BPF_ANY))
		count(MAP_FULL_EVENTS_ENTER);
	weight = sample();
	count(PRODUCED_ENTER);
	e = weight ? bpf_ringbuf_reserve(&events_enter, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 0;
		e->__weight = weight;
		e->__marks = 0;
		e->time = now;
		submit(&events_enter, e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_ENTER : SAMPLED_ENTER);
	}
	return 0;
}

/* tracepoint:syscalls:sys_exit_getpid (rings.yaml:15): sys_exit_getpid */
SEC("?tracepoint/syscalls/sys_exit_getpid")
int sys_exit_getpid(struct trace_event_raw_sys_exit *ctx)
{
	__u16 weight;
	__u64 now;
	struct leave_event *e;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	now = bpf_ktime_get_ns();
	count(PRODUCED_LEAVE);
	e = weight ? bpf_ringbuf_reserve(&events_leave, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 1;
		e->__weight = weight;
		e->__marks = 0;
		e->time = now;
		submit(&events_leave, e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_LEAVE : SAMPLED_LEAVE);
	}
	return 0;
}
