// SPDX-License-Identifier: GPL-2.0
/*
 * arithmetic: What becomes of operators.
 *
 * Made by ebpfgen from arithmetic.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "arithmetic.h"

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
const volatile struct arithmetic_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct numbers_event *const __layout_of_numbers_event SEC(".layout") __attribute__((used));

enum counter {
	PRODUCED_NUMBERS,
	RING_FULL_NUMBERS,
	SAMPLED_NUMBERS,
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

/* malloc */
static __noinline int do_malloc(struct pt_regs *ctx)
{
	__u64 size, arg2, rounded, arg1, pid_tgid;
	bool both;
	const __u8 *byte_at;
	__u16 weight;
	__s64 signed_value;
	__u8 behind;
	struct numbers_event *e;

	if (config.filter_on && !wanted())
		return 0;
	size = PT_REGS_PARM1(ctx);
	if (size == 0)
		return 0;
	if (size > 1048576 || size == 4096)
		return 0;
	arg2 = PT_REGS_PARM3(ctx);
	both = arg2 != 0;
	if (both) {
		__u32 cpu = bpf_get_smp_processor_id();

		both = !(cpu == 0 || cpu == 1);
	}
	if (both)
		return 0;
	rounded = (size + 15) & 0xfffffffffffffff0ULL;
	arg1 = PT_REGS_PARM2(ctx);
	byte_at = (const __u8 *)arg1;
	weight = sample();
	signed_value = (__s64)size;
	pid_tgid = bpf_get_current_pid_tgid();
	behind = 0;
	bpf_probe_read_user(&behind, sizeof(behind), byte_at + 2);
	count(PRODUCED_NUMBERS);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 0;
		e->__weight = weight;
		e->__marks = 0;
		e->sum = (__s64)size + 1;
		e->product = rounded * 3;
		e->share = arg2 ? rounded / arg2 : 0;
		e->tenth = signed_value < 0 ? -(__s64)(-(__u64)signed_value / 10) : (__s64)((__u64)signed_value / 10);
		e->bits = (size & 255) | (arg1 ^ arg2);
		e->shifted = (size << (arg1 & 7)) >> 3;
		e->chosen = (pid_tgid >> 32) == 1 ? 0 : (pid_tgid >> 32);
		e->small = (__u64)(size < 255 ? size : 255) & 255;
		e->truth = size > rounded;
		e->byte = behind;
		__builtin_memset(e->__pad0, 0, sizeof(e->__pad0));
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_NUMBERS : SAMPLED_NUMBERS);
	}
	return 0;
}

/* uprobe:libc.so.6:malloc (arithmetic.yaml:10): malloc */
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
