// SPDX-License-Identifier: GPL-2.0
/*
 * usdt: Probes that programs have in themselves.
 *
 * Made by ebpfgen from usdt.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>
#include "usdt.h"

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
const volatile struct usdt_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct thrown_event *const __layout_of_thrown_event SEC(".layout") __attribute__((used));

/* sizes */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sizes_value);
} sizes SEC(".maps");

enum counter {
	PRODUCED_THROWN,
	FAULTED_THROWN_TYPE,
	TRUNCATED_THROWN_TYPE,
	RING_FULL_THROWN,
	SAMPLED_THROWN,
	FAULTED_USDT_ARGUMENTS,
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

/* An argument of a USDT probe, extended to 64 bits as the note in the binary says; 0 where it can't be read. */
static __always_inline __u64 usdt_arg(struct pt_regs *ctx, __u64 number)
{
	long value = 0;

	if (bpf_usdt_arg(ctx, number, &value))
		count(FAULTED_USDT_ARGUMENTS);
	return value;
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

static __always_inline void observe_sizes(__u64 amount, __u16 weight)
{
	__u32 zero = 0;
	struct sizes_value *value = bpf_map_lookup_elem(&sizes, &zero);
	__u32 slot = log2_of(amount);

	barrier_var(slot); /* else the compiler masks parts of it only, and Linux 5.10 no longer sees the bound */
	slot &= 63;
	if (!value)
		return;
	__sync_fetch_and_add(&value->count, weight);
	__sync_fetch_and_add(&value->sum, amount * weight);
	__sync_fetch_and_add(&value->slots[slot], weight);
}

/* memory_sbrk_more */
static __noinline int do_memory_sbrk_more(struct pt_regs *ctx)
{
	__u16 weight;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	observe_sizes(usdt_arg(ctx, 1), weight);
	return 0;
}

/* throw */
static __noinline int do_throw(struct pt_regs *ctx)
{
	__u64 arg0, now, arg1, behind;
	__u16 weight;
	struct thrown_event *e;

	if (config.filter_on && !wanted())
		return 0;
	arg0 = usdt_arg(ctx, 0);
	if (arg0 == 0)
		return 0;
	weight = sample();
	now = bpf_ktime_get_ns();
	arg1 = usdt_arg(ctx, 1);
	barrier_var(arg1);
	behind = 0;
	bpf_probe_read_user(&behind, sizeof(behind), (const __u64 *)arg1 + 1);
	count(PRODUCED_THROWN);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 0;
		e->__weight = weight;
		e->__marks = 0;
		e->time = now;
		e->__marks |= read_user_string(e->type, sizeof(e->type), (void *)behind, TRUNCATED_THROWN_TYPE,
					       FAULTED_THROWN_TYPE);
		e->again = arg0 == arg1;
		__builtin_memset(e->__pad0, 0, sizeof(e->__pad0));
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_THROWN : SAMPLED_THROWN);
	}
	return 0;
}

/* usdt:libc.so.6:libc:memory_sbrk_more (usdt.yaml:12): memory_sbrk_more */
SEC("?usdt")
int memory_sbrk_more(struct pt_regs *ctx)
{
	if (bpf_preempt_disable)
		bpf_preempt_disable();
	do_memory_sbrk_more(ctx);
	if (bpf_preempt_enable)
		bpf_preempt_enable();
	return 0;
}

/* usdt:libstdc++.so.6:throw (usdt.yaml:13): throw */
SEC("?usdt")
int on_throw(struct pt_regs *ctx)
{
	if (bpf_preempt_disable)
		bpf_preempt_disable();
	do_throw(ctx);
	if (bpf_preempt_enable)
		bpf_preempt_enable();
	return 0;
}
