// SPDX-License-Identifier: GPL-2.0
/*
 * wildcards: Many functions, told apart by their names.
 *
 * Made by ebpfgen from wildcards.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "wildcards.h"

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
	__s64 id;
	__u64 args[6];
} __attribute__((preserve_access_index));

struct cgroup___other { /* cgroup as other kernels have it */
	__u64 ancestor_ids[1];
	struct cgroup *ancestors[1];
} __attribute__((preserve_access_index));

/* Set by ebpfrun between open and load; the verifier drops what is switched off. */
const volatile struct wildcards_config config = {};

/* calls */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct calls_key);
	__type(value, __u64);
} calls SEC(".maps");

/* failed calls */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct failed_key);
	__type(value, __u64);
} failed SEC(".maps");

/* system calls */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct system_calls_key);
	__type(value, __u64);
} system_calls SEC(".maps");

enum counter {
	FAULTED_VFS_FUNC,
	TRUNCATED_VFS_FUNC,
	FAULTED_TCP_FUNC,
	TRUNCATED_TCP_FUNC,
	FAULTED_MEM_FUNC,
	TRUNCATED_MEM_FUNC,
	FAULTED_SYS_ENTER_PROBE,
	TRUNCATED_SYS_ENTER_PROBE,
	MAP_FULL_CALLS,
	MAP_FULL_FAILED,
	MAP_FULL_SYSTEM_CALLS,
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

/* Names of what the wildcards match, by the cookies that ebpfrun attaches with; it fills and sizes this, too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, char[128]);
} probe_names SEC(".maps");

extern const _Bool LINUX_HAS_BPF_COOKIE __kconfig;

static __always_inline const char *probe_name(void *ctx)
{
	__u32 number = LINUX_HAS_BPF_COOKIE ? bpf_get_attach_cookie(ctx) : 0;

	return bpf_map_lookup_elem(&probe_names, &number);
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
 * Text of the spec is taken in pieces of which clang makes numbers: copied or compared as a whole it would leave the
 * text behind, in a map of its own that no program asks.
 */
static __always_inline void put_text(char *to, const char *text, __u32 size)
{
	__u32 at = size & ~7;

	if (size >= 8)
		__builtin_memcpy(to, text, 8);
#pragma unroll
	for (__u32 i = 8; i + 8 <= size; i += 8) { /* in halves: of a row of wholes clang would make one again */
		__builtin_memcpy(to + i, text + i, 4);
		__builtin_memcpy(to + i + 4, text + i + 4, 4);
	}
	if (size & 4) {
		__builtin_memcpy(to + at, text + at, 4);
		at += 4;
	}
	if (size & 2) {
		__builtin_memcpy(to + at, text + at, 2);
		at += 2;
	}
	if (size & 1)
		to[at] = text[at];
}

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

/* The entry of calls under key; made with zeroes when there is none. NULL when there is no room. */
static __u64 *at_calls(const struct calls_key *key)
{
	static const __u64 zero = {};
	__u64 *value = bpf_map_lookup_elem(&calls, key);

	if (value)
		return value;
	bpf_map_update_elem(&calls, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&calls, key);
	if (!value)
		count(MAP_FULL_CALLS);
	return value;
}

/* The entry of failed under key; made with zeroes when there is none. NULL when there is no room. */
static __u64 *at_failed(const struct failed_key *key)
{
	static const __u64 zero = {};
	__u64 *value = bpf_map_lookup_elem(&failed, key);

	if (value)
		return value;
	bpf_map_update_elem(&failed, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&failed, key);
	if (!value)
		count(MAP_FULL_FAILED);
	return value;
}

/* The entry of system_calls under key; made with zeroes when there is none. NULL when there is no room. */
static __u64 *at_system_calls(const struct system_calls_key *key)
{
	static const __u64 zero = {};
	__u64 *value = bpf_map_lookup_elem(&system_calls, key);

	if (value)
		return value;
	bpf_map_update_elem(&system_calls, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&system_calls, key);
	if (!value)
		count(MAP_FULL_SYSTEM_CALLS);
	return value;
}

static __always_inline void add_to_calls(const struct calls_key *key, __u64 amount, __u16 weight)
{
	__u64 *value = at_calls(key);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

static __always_inline void add_to_failed(const struct failed_key *key, __u64 amount, __u16 weight)
{
	__u64 *value = at_failed(key);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

static __always_inline void add_to_system_calls(const struct system_calls_key *key, __u64 amount, __u16 weight)
{
	__u64 *value = at_system_calls(key);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

/* mem */
static __noinline int do_mem(struct pt_regs *ctx)
{
	__u16 weight;
	const char *name;
	struct calls_key key;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	name = probe_name(ctx);
	if (!name)
		return 0;
	__builtin_memset(&key, 0, sizeof(key));
	read_kernel_string(key.func, sizeof(key.func), name, TRUNCATED_MEM_FUNC, FAULTED_MEM_FUNC);
	add_to_calls(&key, 1, weight);
	return 0;
}

/* kprobe:vfs_* (wildcards.yaml:11): vfs */
SEC("?kprobe")
int on_vfs(struct pt_regs *ctx)
{
	char text[6];
	const char *name;
	bool both;
	__u16 weight;
	struct calls_key key;

	if (config.filter_on && !wanted())
		return 0;
	__builtin_memset(text, 0, sizeof(text));
	name = probe_name(ctx);
	if (!name)
		return 0;
	bpf_probe_read_kernel_str(text, 6, name);
	both = !is_text(text, "vfs_w", 5);
	if (both) {
		char text2[10] = {};

		bpf_probe_read_kernel_str(text2, 10, name);
		both = !is_text(text2, "vfs_read", 9);
	}
	if (both)
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	__builtin_memset(&key, 0, sizeof(key));
	read_kernel_string(key.func, sizeof(key.func), name, TRUNCATED_VFS_FUNC, FAULTED_VFS_FUNC);
	add_to_calls(&key, 1, weight);
	return 0;
}

/* kretprobe:tcp_* (wildcards.yaml:14): tcp */
SEC("?kretprobe")
int on_tcp(struct pt_regs *ctx)
{
	__s64 retval;
	__u16 weight;
	const char *name;
	struct failed_key key;

	if (config.filter_on && !wanted())
		return 0;
	retval = (__s64)PT_REGS_RC(ctx);
	if (retval >= 0)
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	name = probe_name(ctx);
	if (!name)
		return 0;
	__builtin_memset(&key, 0, sizeof(key));
	key.error = (__s32)retval;
	read_kernel_string(key.func, sizeof(key.func), name, TRUNCATED_TCP_FUNC, FAULTED_TCP_FUNC);
	add_to_failed(&key, 1, weight);
	return 0;
}

/* uprobe:libc.so.6:mem* (wildcards.yaml:15): mem */
SEC("?uprobe")
int on_mem(struct pt_regs *ctx)
{
	if (bpf_preempt_disable)
		bpf_preempt_disable();
	do_mem(ctx);
	if (bpf_preempt_enable)
		bpf_preempt_enable();
	return 0;
}

/* tracepoint:syscalls:sys_enter_* (wildcards.yaml:16): sys_enter */
SEC("?tracepoint")
int sys_enter(struct trace_event_raw_sys_enter *ctx)
{
	__u16 weight;
	const char *name;
	__u64 pid_tgid;
	struct system_calls_key key;

	if (config.filter_on && !wanted())
		return 0;
	if (ctx->id >= 100)
		return 0;
	if (ctx->args[0] == 0)
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	name = probe_name(ctx);
	if (!name)
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	__builtin_memset(&key, 0, sizeof(key));
	key.pid = pid_tgid >> 32;
	read_kernel_string(key.probe, sizeof(key.probe), name, TRUNCATED_SYS_ENTER_PROBE, FAULTED_SYS_ENTER_PROBE);
	add_to_system_calls(&key, 1, weight);
	return 0;
}

/* kprobe:made_static (wildcards.yaml:17): made_static */
SEC("?kprobe/made_static")
int made_static(struct pt_regs *ctx)
{
	__u16 weight;
	struct calls_key key;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	__builtin_memset(&key, 0, sizeof(key));
	put_text(key.func, "made_static", 12);
	add_to_calls(&key, 1, weight);
	return 0;
}
