// SPDX-License-Identifier: GPL-2.0
/*
 * control: What is done when, and what is computed once.
 *
 * Made by ebpfgen from control.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "control.h"

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
const volatile struct control_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct seen_event *const __layout_of_seen_event SEC(".layout") __attribute__((used));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u64);
	__type(value, __u64);
} a SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u64);
	__type(value, __u64);
} b SEC(".maps");

enum counter {
	PRODUCED_SEEN,
	RING_FULL_SEEN,
	SAMPLED_SEEN,
	MAP_FULL_B,
	ABSENT_B,
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

/*
 * Whether there is such an entry. The verifier refuses what clang makes of several such tests: it joins the pointers'
 * bits.
 */
static __always_inline bool there(const void *entry)
{
	bool found = entry;

	barrier_var(found);
	return found;
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

/* tracepoint:syscalls:sys_enter_read (control.yaml:13): sys_enter_read */
SEC("?tracepoint/syscalls/sys_enter_read")
int sys_enter_read(struct trace_event_raw_sys_enter *ctx)
{
	__u32 fd;
	__u64 count_, n, key, *a_entry, chosen, m, key5, *b_entry3, divisor;
	__u16 weight;
	char comm2[16];
	struct seen_event *e4;

	if (config.filter_on && !wanted())
		return 0;
	fd = (__u32)ctx->args[0];
	if (fd <= 2)
		return 0;
	count_ = ctx->args[2];
	n = count_ / 3;
	key = fd;
	a_entry = bpf_map_lookup_elem(&a, &key);
	if (a_entry) {
		chosen = *a_entry;
	} else {
		__u64 key2, *b_entry;

		barrier();
		key2 = fd;
		b_entry = bpf_map_lookup_elem(&b, &key2);
		chosen = b_entry ? *b_entry : n;
	}
	m = chosen;
	weight = sample();
	if (n > 10 && a_entry && *a_entry > 5) {
		struct seen_event *e;
		char comm[16];

		count(PRODUCED_SEEN);
		e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
		if (e) {
			e->__id = 0;
			e->__weight = weight;
			e->__marks = 0;
			e->n = n;
			e->m = m;
			e->o = -1;
			e->where = 1;
			__builtin_memset(e->__pad0, 0, sizeof(e->__pad0));
			submit(e, sizeof(*e));
		} else {
			count(weight ? RING_FULL_SEEN : SAMPLED_SEEN);
		}
		__builtin_memset(comm, 0, sizeof(comm));
		bpf_get_current_comm(comm, sizeof(comm));
		if (is_text(comm, "sh", 3))
			return 0;
	} else {
		__u64 n_2 = n + 1;
		bool either = n_2 == 7;

		if (!either) {
			__u64 key3 = fd;
			__u64 *b_entry2 = bpf_map_lookup_elem(&b, &key3);

			either = !there(b_entry2);
		}
		if (either) {
			struct seen_event *e2;

			count(PRODUCED_SEEN);
			e2 = weight ? bpf_ringbuf_reserve(&events, sizeof(*e2), 0) : NULL;
			if (e2) {
				e2->__id = 0;
				e2->__weight = weight;
				e2->__marks = 0;
				e2->n = n_2;
				e2->m = m;
				e2->o = n_2 < 5 ? (__s64)n_2 : (-(__s64)m);
				e2->where = 2;
				__builtin_memset(e2->__pad0, 0, sizeof(e2->__pad0));
				submit(e2, sizeof(*e2));
			} else {
				count(weight ? RING_FULL_SEEN : SAMPLED_SEEN);
			}
		} else {
			__u64 key4 = fd;
			__u64 value = n_2 > m ? n_2 : m;

			if (bpf_map_update_elem(&b, &key4, &value, BPF_ANY))
				count(MAP_FULL_B);
		}
	}
	bpf_map_delete_elem(&a, &key);
	__builtin_memset(comm2, 0, sizeof(comm2));
	bpf_get_current_comm(comm2, sizeof(comm2));
	if (is_text(comm2, "sh", 3)) {
		__u64 *a_entry2 = bpf_map_lookup_elem(&a, &key);
		__s64 signed_value = (__s64)(a_entry2 ? *a_entry2 : 1);
		struct seen_event *e3;

		count(PRODUCED_SEEN);
		e3 = weight ? bpf_ringbuf_reserve(&events, sizeof(*e3), 0) : NULL;
		if (e3) {
			e3->__id = 0;
			e3->__weight = weight;
			e3->__marks = 0;
			e3->n = n;
			e3->m = m;
			e3->o = signed_value < 0 ? -(__s64)(-(__u64)signed_value % 10)
					: (__s64)((__u64)signed_value % 10);
			e3->where = 3;
			__builtin_memset(e3->__pad0, 0, sizeof(e3->__pad0));
			submit(e3, sizeof(*e3));
		} else {
			count(weight ? RING_FULL_SEEN : SAMPLED_SEEN);
		}
	}
	key5 = fd;
	b_entry3 = bpf_map_lookup_elem(&b, &key5);
	if (!b_entry3) {
		count(ABSENT_B);
		return 0;
	}
	divisor = *b_entry3;
	count(PRODUCED_SEEN);
	e4 = weight ? bpf_ringbuf_reserve(&events, sizeof(*e4), 0) : NULL;
	if (e4) {
		e4->__id = 0;
		e4->__weight = weight;
		e4->__marks = 0;
		e4->n = divisor ? m / divisor : 0;
		e4->m = m;
		e4->o = (__s64)((__u64)((__s32)count_ < 0 ? (__u64)(-(__s64)(__s32)count_)
					: (__u64)(__s32)count_) << (m & 63));
		e4->where = (fd == 3 || fd == 4 || fd == 5) ? 4 : 5;
		__builtin_memset(e4->__pad0, 0, sizeof(e4->__pad0));
		submit(e4, sizeof(*e4));
	} else {
		count(weight ? RING_FULL_SEEN : SAMPLED_SEEN);
	}
	return 0;
}
