// SPDX-License-Identifier: GPL-2.0
/*
 * span: System calls and requests that take long.
 *
 * Made by ebpfgen from span.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "span.h"

char LICENSE[] SEC("license") = "GPL";

/* What is used of the kernel's types; CO-RE finds the members at load. */
struct cgroup {
	__s32 level;
	struct kernfs_node *kn;
} __attribute__((preserve_access_index));

struct css_set {
	struct cgroup *dfl_cgrp;
} __attribute__((preserve_access_index));

struct gendisk {
	__s32 major;
	__s32 first_minor;
} __attribute__((preserve_access_index));

struct kernfs_node {
	__u64 id;
} __attribute__((preserve_access_index));

struct request {
	struct request_queue *q;
	__u32 cmd_flags;
	__u64 __sector;
} __attribute__((preserve_access_index));

struct request_queue {
	struct gendisk *disk;
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

/* Arguments of tracepoint block_rq_issue; where another kernel has them, they are found at load. */
struct args_of_tracepoint_block_rq_issue {
	__u64 rq;
} __attribute__((preserve_access_index));

/* Arguments of tracepoint block_rq_complete; where another kernel has them, they are found at load. */
struct args_of_tracepoint_block_rq_complete {
	__u64 rq;
	__u64 error;
	__u64 nr_bytes;
} __attribute__((preserve_access_index));

/* Set by ebpfrun between open and load; the verifier drops what is switched off. */
const volatile struct span_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct slow_event *const __layout_of_slow_event SEC(".layout") __attribute__((used));

/* Starts of span slow that wait for their end. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, struct slow_span);
} slow_in_flight SEC(".maps");

/* Starts of span io that wait for their end. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, struct io_pair);
	__type(value, __u64);
} io_in_flight SEC(".maps");

/* time of a request */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct io_key);
	__type(value, struct io_value);
} io SEC(".maps");

enum counter {
	MAP_FULL_SLOW,
	PRODUCED_SLOW,
	FAULTED_SLOW_PATH,
	TRUNCATED_SLOW_PATH,
	RING_FULL_SLOW,
	SAMPLED_SLOW,
	MAP_FULL_IO,
	UNPAIRED_IO,
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

/* As p->member, of a pointer that may be followed directly. */
#define NUMBER(p, member) ({ \
	typeof(p) __from = (p); \
\
	AS_DECLARED(__from, member) ? __from->member : \
		(typeof(__from->member))BPF_CORE_READ_BITFIELD(__from, member); \
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

/* The entry of io under key; made with zeroes when there is none. NULL when there is no room. */
static struct io_value *at_io(const struct io_key *key)
{
	static const struct io_value zero = {};
	struct io_value *value = bpf_map_lookup_elem(&io, key);

	if (value)
		return value;
	bpf_map_update_elem(&io, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&io, key);
	if (!value)
		count(MAP_FULL_IO);
	return value;
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

static __always_inline void observe_io(const struct io_key *key, __u64 amount, __u16 weight)
{
	struct io_value *value = at_io(key);
	__u32 slot = log2_of(amount);

	barrier_var(slot); /* else the compiler masks parts of it only, and Linux 5.10 no longer sees the bound */
	slot &= 63;
	if (!value)
		return;
	__sync_fetch_and_add(&value->count, weight);
	__sync_fetch_and_add(&value->sum, amount * weight);
	__sync_fetch_and_add(&value->slots[slot], weight);
}

/* tracepoint:syscalls:sys_enter_openat (span.yaml:16): slow.start */
SEC("?tracepoint/syscalls/sys_enter_openat")
int slow_enter_openat(struct trace_event_raw_sys_enter *ctx)
{
	char comm[16];
	__u64 pid_tgid, now;
	__u32 key;
	struct slow_span span;

	if (config.filter_on && !wanted())
		return 0;
	if ((__s32)ctx->args[0] != -100)
		return 0;
	__builtin_memset(comm, 0, sizeof(comm));
	bpf_get_current_comm(comm, sizeof(comm));
	if (is_text(comm, "bash", 5))
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	key = (__u32)pid_tgid;
	now = bpf_ktime_get_ns();
	__builtin_memset(&span, 0, sizeof(span));
	span.__started = now;
	span.filename = ctx->args[1];
	span.mode = (__u16)ctx->args[3];
	if (bpf_map_update_elem(&slow_in_flight, &key, &span, BPF_ANY))
		count(MAP_FULL_SLOW);
	return 0;
}

/* tracepoint:syscalls:sys_exit_openat (span.yaml:17): slow.end */
SEC("?tracepoint/syscalls/sys_exit_openat")
int slow_exit_openat(struct trace_event_raw_sys_exit *ctx)
{
	__u64 pid_tgid, now;
	__u32 key;
	struct slow_span *span;
	__u16 weight;
	struct slow_event *e;

	if (config.filter_on && !wanted())
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	key = (__u32)pid_tgid;
	span = bpf_map_lookup_elem(&slow_in_flight, &key);
	if (!span)
		return 0;
	now = bpf_ktime_get_ns();
	if ((now - span->__started) <= config.least)
		goto done;
	weight = sample();
	count(PRODUCED_SLOW);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 0;
		e->__weight = weight;
		e->__marks = 0;
		e->time = now;
		e->pid = pid_tgid >> 32;
		e->__marks |= read_user_string(e->path, sizeof(e->path), (const char *)span->filename,
					       TRUNCATED_SLOW_PATH, FAULTED_SLOW_PATH);
		e->mode = span->mode;
		e->result = ctx->ret;
		e->latency = now - span->__started;
		e->started = span->__started;
		__builtin_memset(e->__pad0, 0, sizeof(e->__pad0));
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_SLOW : SAMPLED_SLOW);
	}
done:
	bpf_map_delete_elem(&slow_in_flight, &key);
	return 0;
}

/* tp_btf:block_rq_issue (span.yaml:24): io.start */
SEC("?tp_btf/block_rq_issue")
int io_block_rq_issue(struct args_of_tracepoint_block_rq_issue *ctx)
{
	struct request *rq;
	struct io_pair key;
	__u64 now;

	if (config.filter_on && !wanted())
		return 0;
	rq = (struct request *)ctx->rq;
	__builtin_memset(&key, 0, sizeof(key));
	key.key0 = (__u64)rq;
	key.key1 = NUMBER(rq, __sector);
	now = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&io_in_flight, &key, &now, BPF_ANY))
		count(MAP_FULL_IO);
	return 0;
}

/* tp_btf:block_rq_complete (span.yaml:25): io.end */
SEC("?tp_btf/block_rq_complete")
int io_block_rq_complete(struct args_of_tracepoint_block_rq_complete *ctx)
{
	struct request *rq;
	struct io_pair key;
	__u64 *span, now;
	__u16 weight;
	struct gendisk *disk;
	struct io_key key2;

	if ((__s32)ctx->error != 0)
		return 0;
	rq = (struct request *)ctx->rq;
	__builtin_memset(&key, 0, sizeof(key));
	key.key0 = (__u64)rq;
	key.key1 = NUMBER(rq, __sector);
	span = bpf_map_lookup_elem(&io_in_flight, &key);
	if (!span) {
		if (!config.filter_on)
			count(UNPAIRED_IO);
		return 0;
	}
	weight = sample();
	if (!weight)
		goto done;
	disk = rq->q->disk;
	now = bpf_ktime_get_ns();
	__builtin_memset(&key2, 0, sizeof(key2));
	key2.op = NUMBER(rq, cmd_flags) & 255;
	key2.dev = ((__u32)NUMBER(disk, major) << 20 | (__u32)NUMBER(disk, first_minor));
	observe_io(&key2, (now - *span) / 1000, weight);
done:
	bpf_map_delete_elem(&io_in_flight, &key);
	return 0;
}
