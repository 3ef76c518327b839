// SPDX-License-Identifier: GPL-2.0
/*
 * timers: Programs of user space, clocks and counters.
 *
 * Made by ebpfgen from timers.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "timers.h"

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

/* Set by ebpfrun between open and load; the verifier drops what is switched off. */
const volatile struct timers_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct line_event *const __layout_of_line_event SEC(".layout") __attribute__((used));

/* samples */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} samples SEC(".maps");

/* bytes */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} bytes SEC(".maps");

/* lines */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lines SEC(".maps");

/* beats */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} beats SEC(".maps");

enum counter {
	PRODUCED_LINE,
	FAULTED_LINE_TEXT,
	TRUNCATED_LINE_TEXT,
	RING_FULL_LINE,
	SAMPLED_LINE,
	MAP_FULL_SAMPLES,
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

/*
 * Two threads can be inside of one program on one CPU when it is attached to user space, where the kernel lets threads
 * preempt each other. Since Linux 6.13 they would share its stack. These functions, there since 6.10, prevent it.
 */
extern void bpf_preempt_disable(void) __weak __ksym;
extern void bpf_preempt_enable(void) __weak __ksym;

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

/* The entry of samples under key; made with zeroes when there is none. NULL when there is no room. */
static __u64 *at_samples(const __u32 *key)
{
	static const __u64 zero = {};
	__u64 *value = bpf_map_lookup_elem(&samples, key);

	if (value)
		return value;
	bpf_map_update_elem(&samples, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&samples, key);
	if (!value)
		count(MAP_FULL_SAMPLES);
	return value;
}

static __always_inline void add_to_samples(const __u32 *key, __u64 amount, __u16 weight)
{
	__u64 *value = at_samples(key);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

static __always_inline void add_to_bytes(__u64 amount, __u16 weight)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&bytes, &zero);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

static __always_inline void add_to_lines(__u64 amount, __u16 weight)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&lines, &zero);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

static __always_inline void add_to_beats(__u64 amount, __u16 weight)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&beats, &zero);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

/* profile, wherever it is attached. */
static __noinline int do_profile(void *ctx)
{
	__u16 weight;
	__u32 key;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	key = bpf_get_smp_processor_id();
	add_to_samples(&key, 1, weight);
	return 0;
}

/* malloc */
static __noinline int do_malloc(struct pt_regs *ctx)
{
	__u16 weight;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	add_to_bytes(PT_REGS_PARM1(ctx), weight);
	return 0;
}

/* main_0x10 */
static __noinline int do_main_0x10(struct pt_regs *ctx)
{
	__u16 weight;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	add_to_lines(1, weight);
	return 0;
}

/* readline */
static __noinline int do_readline(struct pt_regs *ctx)
{
	__s64 retval;
	__u16 weight;
	__u64 pid_tgid;
	struct line_event *e;

	if (config.filter_on && !wanted())
		return 0;
	retval = (__s64)PT_REGS_RC(ctx);
	if (retval == 0)
		return 0;
	weight = sample();
	pid_tgid = bpf_get_current_pid_tgid();
	count(PRODUCED_LINE);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 0;
		e->__weight = weight;
		e->__marks = 0;
		e->__marks |= read_user_string(e->text, sizeof(e->text), (const __u8 *)retval, TRUNCATED_LINE_TEXT,
					       FAULTED_LINE_TEXT);
		e->pid = pid_tgid >> 32;
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_LINE : SAMPLED_LINE);
	}
	return 0;
}

/* profile:hz:$rate (timers.yaml:18): profile */
SEC("?perf_event")
int on_profile(void *ctx)
{
	return do_profile(ctx);
}

/* software:cpu-clock:1000000 (timers.yaml:18): profile */
SEC("?perf_event")
int cpu_clock(void *ctx)
{
	return do_profile(ctx);
}

/* interval:s:1 (timers.yaml:20): interval */
SEC("?perf_event")
int on_interval(void *ctx)
{
	__u16 weight = sample();

	if (!weight)
		return 0;
	add_to_beats(1, weight);
	return 0;
}

/* uprobe:libc.so.6:malloc (timers.yaml:21): malloc */
SEC("?uprobe")
int on_malloc(struct pt_regs *ctx)
{
	if (bpf_preempt_disable)
		bpf_preempt_disable();
	do_malloc(ctx);
	if (bpf_preempt_enable)
		bpf_preempt_enable();
	return 0;
}

/* uprobe:/bin/x:main+0x10 (timers.yaml:22): main_0x10 */
SEC("?uprobe")
int main_0x10(struct pt_regs *ctx)
{
	if (bpf_preempt_disable)
		bpf_preempt_disable();
	do_main_0x10(ctx);
	if (bpf_preempt_enable)
		bpf_preempt_enable();
	return 0;
}

/* uretprobe:/bin/bash:readline (timers.yaml:23): readline */
SEC("?uretprobe")
int on_readline(struct pt_regs *ctx)
{
	if (bpf_preempt_disable)
		bpf_preempt_disable();
	do_readline(ctx);
	if (bpf_preempt_enable)
		bpf_preempt_enable();
	return 0;
}
