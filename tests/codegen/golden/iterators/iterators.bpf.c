// SPDX-License-Identifier: GPL-2.0
/*
 * iterators: What there is, who asks for it, and what processors count.
 *
 * Made by ebpfgen from iterators.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "iterators.h"

char LICENSE[] SEC("license") = "GPL";

/* What is used of the kernel's types; CO-RE finds the members at load. */
struct seq_file;

struct bpf_iter__task___kernel {
	struct task_struct *task;
} __attribute__((preserve_access_index));

struct bpf_iter__task_file___kernel {
	struct bpf_iter_meta___kernel *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
} __attribute__((preserve_access_index));

struct bpf_iter__tcp___kernel {
	struct sock_common *sk_common;
	__u32 uid;
} __attribute__((preserve_access_index));

struct bpf_iter_meta___kernel {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct cgroup {
	__s32 level;
	struct kernfs_node *kn;
} __attribute__((preserve_access_index));

struct cred {
	struct { __u32 val; } uid;
} __attribute__((preserve_access_index));

struct css_set {
	struct cgroup *dfl_cgrp;
} __attribute__((preserve_access_index));

struct file {
	struct inode *f_inode;
} __attribute__((preserve_access_index));

struct inode {
	__u64 i_ino;
} __attribute__((preserve_access_index));

struct kernfs_node {
	__u64 id;
} __attribute__((preserve_access_index));

struct sock_common {
	__u8 skc_state;
} __attribute__((preserve_access_index));

struct task_struct {
	__s32 pid;
	__s32 tgid;
	struct cred *cred;
	char comm[16];
	struct css_set *cgroups;
} __attribute__((preserve_access_index));

struct cgroup___other { /* cgroup as other kernels have it */
	__u64 ancestor_ids[1];
	struct cgroup *ancestors[1];
} __attribute__((preserve_access_index));

/* Arguments of function bpf_lsm_task_kill; where another kernel has them, they are found at load. */
struct args_of_function_bpf_lsm_task_kill {
	__u64 p;
	__u64 sig;
	__u64 retval;
} __attribute__((preserve_access_index));

/* Set by ebpfrun between open and load; the verifier drops what is switched off. */
const volatile struct iterators_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct file_event *const __layout_of_file_event SEC(".layout") __attribute__((used));
static const struct asked_event *const __layout_of_asked_event SEC(".layout") __attribute__((used));

/* sockets */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct sockets_key);
	__type(value, __u64);
} sockets SEC(".maps");

/* threads */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} threads SEC(".maps");

/* misses */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} misses SEC(".maps");

enum counter {
	PRODUCED_FILE,
	RING_FULL_FILE,
	SAMPLED_FILE,
	PRODUCED_ASKED,
	RING_FULL_ASKED,
	SAMPLED_ASKED,
	MAP_FULL_SOCKETS,
	MAP_FULL_MISSES,
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

/* A byte for each record: ebpfrun reads as many as the ring has room for records, then drains it. */
static __always_inline void pace(struct seq_file *seq)
{
	char mark = 0;

	bpf_seq_write(seq, &mark, sizeof(mark));
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

/* As p->member, of a pointer that may be followed directly. */
#define NUMBER(p, member) ({ \
	typeof(p) __from = (p); \
\
	AS_DECLARED(__from, member) ? __from->member : \
		(typeof(__from->member))BPF_CORE_READ_BITFIELD(__from, member); \
})

/* The entry of sockets under key; made with zeroes when there is none. NULL when there is no room. */
static __u64 *at_sockets(const struct sockets_key *key)
{
	static const __u64 zero = {};
	__u64 *value = bpf_map_lookup_elem(&sockets, key);

	if (value)
		return value;
	bpf_map_update_elem(&sockets, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&sockets, key);
	if (!value)
		count(MAP_FULL_SOCKETS);
	return value;
}

/* The entry of misses under key; made with zeroes when there is none. NULL when there is no room. */
static __u64 *at_misses(const __u32 *key)
{
	static const __u64 zero = {};
	__u64 *value = bpf_map_lookup_elem(&misses, key);

	if (value)
		return value;
	bpf_map_update_elem(&misses, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&misses, key);
	if (!value)
		count(MAP_FULL_MISSES);
	return value;
}

static __always_inline void add_to_sockets(const struct sockets_key *key, __u64 amount, __u16 weight)
{
	__u64 *value = at_sockets(key);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

static __always_inline void add_to_threads(__u64 amount, __u16 weight)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&threads, &zero);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

static __always_inline void add_to_misses(const __u32 *key, __u64 amount, __u16 weight)
{
	__u64 *value = at_misses(key);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

/* iter:task_file (iterators.yaml:15): task_file */
SEC("?iter/task_file")
int task_file(struct bpf_iter__task_file___kernel *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file;
	__u16 weight;
	struct file_event *e;

	if (!task)
		return 0;
	file = ctx->file;
	if (!file)
		return 0;
	if (config.filter_on && !wanted_task(task))
		return 0;
	weight = sample();
	count(PRODUCED_FILE);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 0;
		e->__weight = weight;
		e->__marks = 0;
		e->pid = BPF_CORE_READ(task, tgid);
		bpf_probe_read_kernel(e->comm, sizeof(e->comm), task->comm);
		e->fd = ctx->fd;
		e->inode = NUMBER(file->f_inode, i_ino);
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_FILE : SAMPLED_FILE);
	}
	pace(ctx->meta->seq);
	return 0;
}

/* iter:tcp (iterators.yaml:16): tcp */
SEC("?iter/tcp")
int on_tcp(struct bpf_iter__tcp___kernel *ctx)
{
	struct sock_common *sk_common = ctx->sk_common;
	__u16 weight;
	struct sockets_key key;

	if (!sk_common)
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	__builtin_memset(&key, 0, sizeof(key));
	key.state = NUMBER(sk_common, skc_state);
	key.uid = ctx->uid;
	add_to_sockets(&key, 1, weight);
	return 0;
}

/* iter:task (iterators.yaml:17): task */
SEC("?iter/task")
int on_task(struct bpf_iter__task___kernel *ctx)
{
	__u16 weight;

	if (!ctx->task)
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	add_to_threads(1, weight);
	return 0;
}

/* lsm:task_kill (iterators.yaml:18): task_kill */
SEC("?lsm/task_kill")
int task_kill(struct args_of_function_bpf_lsm_task_kill *ctx)
{
	__u16 weight;
	__u64 pid_tgid;
	struct asked_event *e;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	pid_tgid = bpf_get_current_pid_tgid();
	count(PRODUCED_ASKED);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 1;
		e->__weight = weight;
		e->__marks = 0;
		e->pid = pid_tgid >> 32;
		e->target = (__u32)NUMBER((struct task_struct *)ctx->p, tgid);
		e->signal = (__s32)ctx->sig;
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_ASKED : SAMPLED_ASKED);
	}
	return 0;
}

/* hardware:cache-misses:1000 (iterators.yaml:19): cache_misses */
SEC("?perf_event")
int cache_misses(void *ctx)
{
	__u16 weight;
	__u64 pid_tgid;
	__u32 key;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	key = pid_tgid >> 32;
	add_to_misses(&key, 1, weight);
	return 0;
}
