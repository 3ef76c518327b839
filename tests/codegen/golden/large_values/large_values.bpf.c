// SPDX-License-Identifier: GPL-2.0
/*
 * large_values: Values too large for the stack of a kernel program.
 *
 * Made by ebpfgen from large_values.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "large_values.h"

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

struct trace_event_raw_sys_exit {
	__s64 ret;
} __attribute__((preserve_access_index));

struct cgroup___other { /* cgroup as other kernels have it */
	__u64 ancestor_ids[1];
	struct cgroup *ancestors[1];
} __attribute__((preserve_access_index));

/* Set by ebpfrun between open and load; the verifier drops what is switched off. */
const volatile struct large_values_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct opened_event *const __layout_of_opened_event SEC(".layout") __attribute__((used));

struct paths_value_taken {
	__u64 users;
	struct paths_value record;
};

struct open_span_taken {
	__u64 users;
	struct open_span record;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct paths_value);
} paths SEC(".maps");

/* Starts of span open that wait for their end. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, struct open_span);
} open_in_flight SEC(".maps");

/* Built here: too large for the stack. An entry is one program's at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct paths_value_taken);
} paths_value_taken SEC(".maps");

/* Built here: too large for the stack. An entry is one program's at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct open_span_taken);
} open_span_taken SEC(".maps");

enum counter {
	FAULTED_SYS_ENTER_EXECVE_PATH,
	TRUNCATED_SYS_ENTER_EXECVE_PATH,
	MAP_FULL_PATHS,
	NESTED_PATHS,
	FAULTED_OPEN_PATH,
	TRUNCATED_OPEN_PATH,
	MAP_FULL_OPEN,
	NESTED_OPEN,
	ABSENT_PATHS,
	PRODUCED_OPENED,
	FAULTED_OPENED_PATH,
	TRUNCATED_OPENED_PATH,
	FAULTED_OPENED_PREVIOUS,
	TRUNCATED_OPENED_PREVIOUS,
	RING_FULL_OPENED,
	SAMPLED_OPENED,
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

/* sched_wakeup */
static __noinline int do_sched_wakeup(struct pt_regs *ctx)
{
	__u64 pid_tgid, now;
	__u32 key;
	struct paths_value *value;

	if (config.filter_on && !wanted())
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	key = pid_tgid >> 32;
	now = bpf_ktime_get_ns();
	value = take(&paths_value_taken);
	if (value) {
		__builtin_memset(value, 0, sizeof(*value));
		bpf_get_current_comm(value->path, sizeof(value->path));
		value->when = now;
		if (bpf_map_update_elem(&paths, &key, value, BPF_ANY))
			count(MAP_FULL_PATHS);
		give_back(value);
	} else {
		count(NESTED_PATHS);
	}
	return 0;
}

/* tracepoint:syscalls:sys_enter_execve (large_values.yaml:12): sys_enter_execve */
SEC("?tracepoint/syscalls/sys_enter_execve")
int sys_enter_execve(struct trace_event_raw_sys_enter *ctx)
{
	__u64 pid_tgid, now;
	__u32 key;
	struct paths_value *value;

	if (config.filter_on && !wanted())
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	key = pid_tgid >> 32;
	now = bpf_ktime_get_ns();
	value = take(&paths_value_taken);
	if (value) {
		__builtin_memset(value, 0, sizeof(*value));
		value->__marks |= read_user_string(value->path, sizeof(value->path), (void *)ctx->args[0],
						   TRUNCATED_SYS_ENTER_EXECVE_PATH, FAULTED_SYS_ENTER_EXECVE_PATH);
		value->when = now;
		if (bpf_map_update_elem(&paths, &key, value, BPF_ANY))
			count(MAP_FULL_PATHS);
		give_back(value);
	} else {
		count(NESTED_PATHS);
	}
	return 0;
}

/* tp_btf:sched_wakeup (large_values.yaml:15): sched_wakeup */
SEC("?tp_btf/sched_wakeup")
int sched_wakeup(__u64 *ctx)
{
	__u64 pid_tgid, now;
	__u32 key;
	struct paths_value *value;

	if (config.filter_on && !wanted())
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	key = pid_tgid >> 32;
	now = bpf_ktime_get_ns();
	value = take(&paths_value_taken);
	if (value) {
		__builtin_memset(value, 0, sizeof(*value));
		bpf_get_current_comm(value->path, sizeof(value->path));
		value->when = now;
		if (bpf_map_update_elem(&paths, &key, value, BPF_ANY))
			count(MAP_FULL_PATHS);
		give_back(value);
	} else {
		count(NESTED_PATHS);
	}
	return 0;
}

/* uprobe:libc.so.6:malloc (large_values.yaml:15): sched_wakeup */
SEC("?uprobe")
int on_malloc(struct pt_regs *ctx)
{
	if (bpf_preempt_disable)
		bpf_preempt_disable();
	do_sched_wakeup(ctx);
	if (bpf_preempt_enable)
		bpf_preempt_enable();
	return 0;
}

/* tracepoint:syscalls:sys_enter_openat (large_values.yaml:21): open.start */
SEC("?tracepoint/syscalls/sys_enter_openat")
int open_enter_openat(struct trace_event_raw_sys_enter *ctx)
{
	__u64 pid_tgid, now;
	__u32 key, key2;
	struct paths_value *paths_entry;
	struct open_span *span;

	if (config.filter_on && !wanted())
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	key = pid_tgid >> 32;
	paths_entry = bpf_map_lookup_elem(&paths, &key);
	if (!paths_entry)
		return 0;
	key2 = (__u32)pid_tgid;
	now = bpf_ktime_get_ns();
	span = take(&open_span_taken);
	if (span) {
		__builtin_memset(span, 0, sizeof(*span));
		span->__started = now;
		span->__marks |= read_user_string(span->path, sizeof(span->path), (void *)ctx->args[1],
						  TRUNCATED_OPEN_PATH, FAULTED_OPEN_PATH);
		if (bpf_map_update_elem(&open_in_flight, &key2, span, BPF_ANY))
			count(MAP_FULL_OPEN);
		give_back(span);
	} else {
		count(NESTED_OPEN);
	}
	return 0;
}

/* tracepoint:syscalls:sys_exit_openat (large_values.yaml:22): open.end */
SEC("?tracepoint/syscalls/sys_exit_openat")
int open_exit_openat(struct trace_event_raw_sys_exit *ctx)
{
	__u64 pid_tgid;
	__u32 key, key2;
	struct open_span *span;
	__u16 weight;
	struct paths_value *paths_entry;
	struct opened_event *e;

	if (config.filter_on && !wanted())
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	key = (__u32)pid_tgid;
	span = bpf_map_lookup_elem(&open_in_flight, &key);
	if (!span)
		return 0;
	weight = sample();
	key2 = pid_tgid >> 32;
	paths_entry = bpf_map_lookup_elem(&paths, &key2);
	if (!paths_entry) {
		count(ABSENT_PATHS);
		goto done;
	}
	count(PRODUCED_OPENED);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 0;
		e->__weight = weight;
		e->__marks = 0;
		e->__marks |= span->__marks & 3;
		e->__marks |= read_kernel_string(e->path, sizeof(e->path), span->path, TRUNCATED_OPENED_PATH,
						 FAULTED_OPENED_PATH);
		e->__marks |= (paths_entry->__marks & 3) << 2;
		e->__marks |= read_kernel_string(e->previous, sizeof(e->previous), paths_entry->path,
						 TRUNCATED_OPENED_PREVIOUS, FAULTED_OPENED_PREVIOUS) << 2;
		e->result = ctx->ret;
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_OPENED : SAMPLED_OPENED);
	}
done:
	bpf_map_delete_elem(&open_in_flight, &key);
	return 0;
}
