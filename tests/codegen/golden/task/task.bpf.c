// SPDX-License-Identifier: GPL-2.0
/*
 * task: Of which task a probe speaks.
 *
 * Made by ebpfgen from task.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "task.h"

char LICENSE[] SEC("license") = "GPL";

/* What is used of the kernel's types; CO-RE finds the members at load. */
struct cgroup {
	__s32 level;
	struct kernfs_node *kn;
} __attribute__((preserve_access_index));

struct cred {
	struct { __u32 val; } uid;
	struct { __u32 val; } gid;
} __attribute__((preserve_access_index));

struct css_set {
	struct cgroup *dfl_cgrp;
} __attribute__((preserve_access_index));

struct kernfs_node {
	__u64 id;
} __attribute__((preserve_access_index));

struct task_struct {
	__s32 pid;
	__s32 tgid;
	struct task_struct *real_parent;
	struct cred *cred;
	char comm[16];
	struct css_set *cgroups;
} __attribute__((preserve_access_index));

struct trace_event_raw_block_rq {
	__u32 dev;
} __attribute__((preserve_access_index));

struct cgroup___other { /* cgroup as other kernels have it */
	__u64 ancestor_ids[1];
	struct cgroup *ancestors[1];
} __attribute__((preserve_access_index));

/* Arguments of tracepoint sched_wakeup; where another kernel has them, they are found at load. */
struct args_of_tracepoint_sched_wakeup {
	__u64 p;
} __attribute__((preserve_access_index));

/* Set by ebpfrun between open and load; the verifier drops what is switched off. */
const volatile struct task_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct woken_event *const __layout_of_woken_event SEC(".layout") __attribute__((used));

/* blocks */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} blocks SEC(".maps");

/* those that were chosen */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} chosen SEC(".maps");

enum counter {
	PRODUCED_WOKEN,
	RING_FULL_WOKEN,
	SAMPLED_WOKEN,
	MAP_FULL_BLOCKS,
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

/* The common filters (--pid, --tid, --uid, --comm, --cgroup) applied to a task. */
static __noinline bool wanted_task(struct task_struct *task)
{
	if (config.filter_on & BY_PID && BPF_CORE_READ(task, tgid) != config.filter_pid)
		return false;
	if (config.filter_on & BY_TID && BPF_CORE_READ(task, pid) != config.filter_tid)
		return false;
	if (config.filter_on & BY_UID && BPF_CORE_READ(task, cred, uid.val) != config.filter_uid)
		return false;
	if (config.filter_on & BY_CGROUP && cgroup_of(task, config.filter_cgroup_level) != config.filter_cgroup)
		return false;
	if (config.filter_on & BY_COMM) {
		char comm[16] = {};

		bpf_probe_read_kernel(comm, sizeof(comm), task->comm);
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

/*
 * Numbers of the kernel's types, as this kernel has them: between kernels some change their size, their sign, or become
 * bit fields. Which is so is known at load: where a number is as declared here, nothing is left but its plain read.
 */
#define FIELD(from, member, what) __builtin_preserve_field_info((from)->member, BPF_FIELD_##what)
#define AS_DECLARED(from, member) (FIELD(from, member, RSHIFT_U64) == 64 - 8 * sizeof((from)->member))

static __noinline __u64 other_number(const void *at, __u32 size, __u32 left, __u32 right, bool is_signed)
{
	__u64 value = 0;
	void *to = &value;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	to += sizeof(value) - size;
#endif
	bpf_probe_read_kernel(to, size, at);
	value <<= left;
	return is_signed ? (__s64)value >> right : value >> right;
}

/* As BPF_CORE_READ(p, member). */
#define READ_NUMBER(p, member) ({ \
	typeof(p) __from = (p); \
	typeof(__from->member) __number; \
\
	if (AS_DECLARED(__from, member)) \
		bpf_core_read(&__number, sizeof(__number), &__from->member); \
	else \
		__number = other_number(&__from->member, FIELD(__from, member, BYTE_SIZE), \
			FIELD(__from, member, LSHIFT_U64), FIELD(__from, member, RSHIFT_U64), \
			FIELD(__from, member, SIGNED)); \
	__number; \
})

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

/* The entry of blocks under key; made with zeroes when there is none. NULL when there is no room. */
static __u64 *at_blocks(const __u32 *key)
{
	static const __u64 zero = {};
	__u64 *value = bpf_map_lookup_elem(&blocks, key);

	if (value)
		return value;
	bpf_map_update_elem(&blocks, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&blocks, key);
	if (!value)
		count(MAP_FULL_BLOCKS);
	return value;
}

static __always_inline void add_to_blocks(const __u32 *key, __u64 amount, __u16 weight)
{
	__u64 *value = at_blocks(key);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

static __always_inline void add_to_chosen(__u64 amount, __u16 weight)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&chosen, &zero);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

/* tp_btf:sched_wakeup (task.yaml:13): sched_wakeup */
SEC("?tp_btf/sched_wakeup")
int sched_wakeup(struct args_of_tracepoint_sched_wakeup *ctx)
{
	struct task_struct *p = (struct task_struct *)ctx->p;
	char comm[16] = {};
	__u16 weight;
	__u64 now;
	struct task_struct *task;
	struct woken_event *e;

	bpf_probe_read_kernel(comm, sizeof(comm), p->comm);
	if (!is_text(comm, "bash", 5) && !is_text(comm, "ba", 2))
		return 0;
	weight = sample();
	now = bpf_ktime_get_ns();
	task = (struct task_struct *)bpf_get_current_task();
	count(PRODUCED_WOKEN);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 0;
		e->__weight = weight;
		e->__marks = 0;
		e->time = now;
		e->pid = BPF_CORE_READ(p, tgid);
		e->tid = BPF_CORE_READ(p, pid);
		e->uid = BPF_CORE_READ(p, cred, uid.val);
		e->gid = BPF_CORE_READ(p, cred, gid.val);
		bpf_probe_read_kernel(e->comm, sizeof(e->comm), p->comm);
		e->cgroup = BPF_CORE_READ(p, cgroups, dfl_cgrp, kn, id);
		e->ppid = BPF_CORE_READ(p, real_parent, tgid);
		e->by = READ_NUMBER(task, tgid);
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_WOKEN : SAMPLED_WOKEN);
	}
	if (wanted_task(p)) {
		if (weight)
			add_to_chosen(1, weight);
	}
	return 0;
}

/* tracepoint:block:block_rq_issue (task.yaml:20): block_rq_issue */
SEC("?tracepoint/block/block_rq_issue")
int block_rq_issue(struct trace_event_raw_block_rq *ctx)
{
	__u16 weight = sample();
	__u32 key;

	if (!weight)
		return 0;
	key = ctx->dev;
	add_to_blocks(&key, 1, weight);
	return 0;
}
