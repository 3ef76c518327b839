// SPDX-License-Identifier: GPL-2.0
/*
 * alternatives: What differs from kernel to kernel.
 *
 * Made by ebpfgen from alternatives.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "alternatives.h"

char LICENSE[] SEC("license") = "GPL";

/* What is used of the kernel's types; CO-RE finds the members at load. */
struct trace_event_raw_sys_enter;

struct cgroup {
	__s32 level;
	struct kernfs_node *kn;
} __attribute__((preserve_access_index));

struct css_set {
	struct cgroup *dfl_cgrp;
} __attribute__((preserve_access_index));

struct gendisk {
	__s32 first_minor;
	char disk_name[32];
} __attribute__((preserve_access_index));

struct kernfs_node {
	__u64 id;
} __attribute__((preserve_access_index));

struct request {
	struct request_queue *q;
} __attribute__((preserve_access_index));

struct request_queue {
	struct gendisk *disk;
} __attribute__((preserve_access_index));

struct task_struct {
	struct css_set *cgroups;
} __attribute__((preserve_access_index));

struct cgroup___other { /* cgroup as other kernels have it */
	__u64 ancestor_ids[1];
	struct cgroup *ancestors[1];
} __attribute__((preserve_access_index));

struct request___other { /* request as other kernels have it */
	char disk_name[32];
	struct gendisk *rq_disk;
} __attribute__((preserve_access_index));

struct request___number { __u64 rq_disk; } __attribute__((preserve_access_index));
struct request___pointer { void *rq_disk; } __attribute__((preserve_access_index));
struct request___record { struct { char c; } rq_disk; } __attribute__((preserve_access_index));
struct request___choice { enum { CHOICE_request_rq_disk } rq_disk; } __attribute__((preserve_access_index));
struct request___numbers { __u64 rq_disk[1]; } __attribute__((preserve_access_index));
struct request___pointers { void *rq_disk[1]; } __attribute__((preserve_access_index));
struct request___records { struct { char c; } rq_disk[1]; } __attribute__((preserve_access_index));

/* Whether the kernel's struct has the member, of whatever kind. */
#define HAS_MEMBER(type, member) \
	(bpf_core_field_exists(struct type##___number, member) || \
	 bpf_core_field_exists(struct type##___pointer, member) || \
	 bpf_core_field_exists(struct type##___record, member) || \
	 bpf_core_field_exists(struct type##___choice, member) || \
	 bpf_core_field_exists(struct type##___numbers, member) || \
	 bpf_core_field_exists(struct type##___pointers, member) || \
	 bpf_core_field_exists(struct type##___records, member))

/* Arguments of tracepoint block_rq_issue; where another kernel has them, they are found at load. */
struct args_of_tracepoint_block_rq_issue {
	__u64 rq;
} __attribute__((preserve_access_index));

/* Set by ebpfrun between open and load; the verifier drops what is switched off. */
const volatile struct alternatives_config config = {};

/* requests */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct requests_key);
	__type(value, __u64);
} requests SEC(".maps");

/* opens */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} opens SEC(".maps");

enum counter {
	FAULTED_REQUEST_NAME,
	TRUNCATED_REQUEST_NAME,
	MAP_FULL_REQUESTS,
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

/* The entry of requests under key; made with zeroes when there is none. NULL when there is no room. */
static __u64 *at_requests(const struct requests_key *key)
{
	static const __u64 zero = {};
	__u64 *value = bpf_map_lookup_elem(&requests, key);

	if (value)
		return value;
	bpf_map_update_elem(&requests, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&requests, key);
	if (!value)
		count(MAP_FULL_REQUESTS);
	return value;
}

static __always_inline void add_to_requests(const struct requests_key *key, __u64 amount, __u16 weight)
{
	__u64 *value = at_requests(key);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

static __always_inline void add_to_opens(__u64 amount, __u16 weight)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&opens, &zero);

	if (value)
		__sync_fetch_and_add(value, amount * weight);
}

/* tp_btf:block_rq_issue (alternatives.yaml:13): request */
SEC("?tp_btf/block_rq_issue")
int request_block_rq_issue(struct args_of_tracepoint_block_rq_issue *ctx)
{
	__u16 weight;
	struct request *rq;
	struct gendisk *disk;
	bool first;
	struct requests_key key;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	rq = (struct request *)ctx->rq;
	disk = (bpf_core_field_exists(struct request, q) && bpf_core_field_exists(struct request_queue, disk))
			? rq->q->disk : BPF_CORE_READ((struct request___other *)rq, rq_disk);
	first = bpf_core_field_exists(struct request, q) && bpf_core_field_exists(struct request_queue, disk) &&
			bpf_core_field_exists(struct gendisk, disk_name);
	__builtin_memset(&key, 0, sizeof(key));
	key.disk = (__u32)NUMBER(disk, first_minor);
	key.old = HAS_MEMBER(request, rq_disk);
	if (first)
		read_kernel_string(key.name, sizeof(key.name), rq->q->disk->disk_name, TRUNCATED_REQUEST_NAME,
				   FAULTED_REQUEST_NAME);
	else
		read_kernel_string(key.name, sizeof(key.name), ((struct request___other *)rq)->disk_name,
				   TRUNCATED_REQUEST_NAME, FAULTED_REQUEST_NAME);
	add_to_requests(&key, 1, weight);
	return 0;
}

/* kprobe:blk_account_io_start (alternatives.yaml:14): request */
SEC("?kprobe/blk_account_io_start")
int request_blk_account_io_start(struct pt_regs *ctx)
{
	__u16 weight;
	struct request *rq;
	struct gendisk *disk;
	bool first;
	struct requests_key key;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	rq = (struct request *)PT_REGS_PARM1(ctx);
	disk = (bpf_core_field_exists(struct request, q) && bpf_core_field_exists(struct request_queue, disk))
			? BPF_CORE_READ(rq, q, disk) : BPF_CORE_READ((struct request___other *)rq, rq_disk);
	first = bpf_core_field_exists(struct request, q) && bpf_core_field_exists(struct request_queue, disk) &&
			bpf_core_field_exists(struct gendisk, disk_name);
	__builtin_memset(&key, 0, sizeof(key));
	key.disk = (__u32)READ_NUMBER(disk, first_minor);
	key.old = HAS_MEMBER(request, rq_disk);
	if (first)
		read_kernel_string(key.name, sizeof(key.name), BPF_CORE_READ(rq, q, disk)->disk_name,
				   TRUNCATED_REQUEST_NAME, FAULTED_REQUEST_NAME);
	else
		read_kernel_string(key.name, sizeof(key.name), ((struct request___other *)rq)->disk_name,
				   TRUNCATED_REQUEST_NAME, FAULTED_REQUEST_NAME);
	add_to_requests(&key, 1, weight);
	return 0;
}

/* tracepoint:syscalls:sys_enter_openat (alternatives.yaml:19): opens */
SEC("?tracepoint/syscalls/sys_enter_openat")
int opens_enter_openat(struct trace_event_raw_sys_enter *ctx)
{
	__u16 weight;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	if (!weight)
		return 0;
	add_to_opens(1, weight);
	return 0;
}
