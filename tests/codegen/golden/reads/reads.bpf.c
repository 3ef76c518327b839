// SPDX-License-Identifier: GPL-2.0
/*
 * reads: Members of the kernel's structs, however they are reached.
 *
 * Made by ebpfgen from reads.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>
#include "reads.h"

char LICENSE[] SEC("license") = "GPL";

/* What is used of the kernel's types; CO-RE finds the members at load. */
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

struct qstr {
	void *name;
} __attribute__((preserve_access_index));

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
} __attribute__((preserve_access_index));

struct path {
	struct dentry *dentry;
} __attribute__((preserve_access_index));

struct file {
	struct path f_path;
	struct inode *f_inode;
} __attribute__((preserve_access_index));

struct in6_addr {
} __attribute__((preserve_access_index));

struct inode {
	__u16 i_mode;
	__u64 i_ino;
} __attribute__((preserve_access_index));

struct kernfs_node {
	__u64 id;
} __attribute__((preserve_access_index));

struct sock_common {
	__u32 skc_daddr;
	__u16 skc_dport;
	__u16 skc_num;
	__u16 skc_family;
	struct in6_addr skc_v6_daddr;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
	__s32 sk_err;
	__u8 sk_shutdown : 2;
	__u16 sk_protocol;
} __attribute__((preserve_access_index));

struct task_struct {
	__s32 exit_code;
	__s32 pid;
	__s32 tgid;
	struct task_struct *real_parent;
	__u32 in_iowait : 1;
	struct cred *cred;
	struct css_set *cgroups;
} __attribute__((preserve_access_index));

struct cgroup___other { /* cgroup as other kernels have it */
	__u64 ancestor_ids[1];
	struct cgroup *ancestors[1];
} __attribute__((preserve_access_index));

/* Arguments of function vfs_read; where another kernel has them, they are found at load. */
struct args_of_function_vfs_read {
	__u64 file;
	__u64 buf;
	__u64 count;
	__u64 pos;
	__u64 retval;
} __attribute__((preserve_access_index));

/* Arguments of tracepoint sched_switch; where another kernel has them, they are found at load. */
struct args_of_tracepoint_sched_switch {
	__u64 preempt;
	__u64 prev;
	__u64 next;
	__u64 prev_state;
} __attribute__((preserve_access_index));

/* Set by ebpfrun between open and load; the verifier drops what is switched off. */
const volatile struct reads_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct read_event *const __layout_of_read_event SEC(".layout") __attribute__((used));
static const struct socket_event *const __layout_of_socket_event SEC(".layout") __attribute__((used));
static const struct task_event *const __layout_of_task_event SEC(".layout") __attribute__((used));

enum counter {
	PRODUCED_READ,
	FAULTED_READ_NAME,
	TRUNCATED_READ_NAME,
	FAULTED_READ_PARENT,
	TRUNCATED_READ_PARENT,
	RING_FULL_READ,
	SAMPLED_READ,
	PRODUCED_SOCKET,
	RING_FULL_SOCKET,
	SAMPLED_SOCKET,
	PRODUCED_TASK,
	RING_FULL_TASK,
	SAMPLED_TASK,
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

/* As p->member, of a pointer that may be followed directly. */
#define NUMBER(p, member) ({ \
	typeof(p) __from = (p); \
\
	AS_DECLARED(__from, member) ? __from->member : \
		(typeof(__from->member))BPF_CORE_READ_BITFIELD(__from, member); \
})

/* An IPv4 address, in network order, as IPv6 has it: ::ffff:a.b.c.d. */
static __always_inline void ip_of_v4(__u8 *to, __u32 address)
{
	__builtin_memset(to, 0, 10);
	__builtin_memset(to + 10, 0xff, 2);
	__builtin_memcpy(to + 12, &address, 4);
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

/* fentry:vfs_read (reads.yaml:11): vfs_read */
SEC("?fentry/vfs_read")
int vfs_read(struct args_of_function_vfs_read *ctx)
{
	struct file *file;
	struct dentry *d;
	__u16 weight;
	__s64 behind;
	struct read_event *e;

	if (config.filter_on && !wanted())
		return 0;
	file = (struct file *)ctx->file;
	d = file->f_path.dentry;
	weight = sample();
	behind = 0;
	bpf_probe_read_kernel(&behind, sizeof(behind), (void *)ctx->pos);
	count(PRODUCED_READ);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 0;
		e->__weight = weight;
		e->__marks = 0;
		e->__marks |= read_kernel_string(e->name, sizeof(e->name), d->d_name.name, TRUNCATED_READ_NAME,
						 FAULTED_READ_NAME);
		e->__marks |= read_kernel_string(e->parent, 16, d->d_parent->d_name.name, TRUNCATED_READ_PARENT,
						 FAULTED_READ_PARENT) << 2;
		e->inode = NUMBER(file->f_inode, i_ino);
		e->mode = NUMBER(d->d_inode, i_mode);
		e->count = ctx->count;
		e->position = behind;
		e->regular = (NUMBER(d->d_inode, i_mode) & 61440 /* S_IFMT */) == 32768 /* S_IFREG */;
		__builtin_memset(e->__pad0, 0, sizeof(e->__pad0));
		__builtin_memset(e->__pad1, 0, sizeof(e->__pad1));
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_READ : SAMPLED_READ);
	}
	return 0;
}

/* kprobe:tcp_connect (reads.yaml:22): tcp_connect */
SEC("?kprobe/tcp_connect")
int tcp_connect(struct pt_regs *ctx)
{
	struct sock *sk;
	__u16 weight;
	struct socket_event *e;

	if (config.filter_on && !wanted())
		return 0;
	sk = (struct sock *)PT_REGS_PARM1(ctx);
	weight = sample();
	count(PRODUCED_SOCKET);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 1;
		e->__weight = weight;
		e->__marks = 0;
		ip_of_v4(e->to, READ_NUMBER(sk, __sk_common.skc_daddr));
		bpf_probe_read_kernel(e->to6, 16, &sk->__sk_common.skc_v6_daddr);
		e->port = bpf_ntohs(READ_NUMBER(sk, __sk_common.skc_dport));
		e->number = READ_NUMBER(sk, __sk_common.skc_num);
		e->family = READ_NUMBER(sk, __sk_common.skc_family);
		e->shut = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_shutdown);
		e->protocol = READ_NUMBER(sk, sk_protocol);
		e->error = READ_NUMBER(sk, sk_err);
		__builtin_memset(e->__pad0, 0, sizeof(e->__pad0));
		__builtin_memset(e->__pad1, 0, sizeof(e->__pad1));
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_SOCKET : SAMPLED_SOCKET);
	}
	return 0;
}

/* tp_btf:sched_switch (reads.yaml:34): sched_switch */
SEC("?tp_btf/sched_switch")
int sched_switch(struct args_of_tracepoint_sched_switch *ctx)
{
	__u16 weight;
	struct task_struct *prev, *base, *task, *base2;
	struct task_event *e;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	prev = (struct task_struct *)ctx->prev;
	barrier_var(prev);
	base = (struct task_struct *)(__u64)prev;
	task = (struct task_struct *)bpf_get_current_task();
	base2 = BPF_CORE_READ(task, real_parent, real_parent, real_parent, real_parent, real_parent, real_parent,
			      real_parent, real_parent);
	count(PRODUCED_TASK);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 2;
		e->__weight = weight;
		e->__marks = 0;
		e->waits = BPF_CORE_READ_BITFIELD(prev, in_iowait) != 0;
		e->waited = BPF_CORE_READ_BITFIELD_PROBED(base, in_iowait);
		e->uid = NUMBER(prev->cred, uid.val);
		e->far = READ_NUMBER(BPF_CORE_READ(base2, real_parent), tgid);
		e->exiting = (__s64)NUMBER(prev, exit_code) >> 8;
		e->swapped = bpf_htons((__u16)NUMBER((struct task_struct *)ctx->next, pid));
		__builtin_memset(e->__pad0, 0, sizeof(e->__pad0));
		__builtin_memset(e->__pad1, 0, sizeof(e->__pad1));
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_TASK : SAMPLED_TASK);
	}
	return 0;
}
