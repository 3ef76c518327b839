// SPDX-License-Identifier: GPL-2.0
/*
 * event: Fields of every shape, with padding between them.
 *
 * Made by ebpfgen from event.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "event.h"

char LICENSE[] SEC("license") = "GPL";

/* What is used of the kernel's types; CO-RE finds the members at load. */
struct cgroup {
	__s32 level;
	struct kernfs_node *kn;
} __attribute__((preserve_access_index));

struct css_set {
	struct cgroup *dfl_cgrp;
} __attribute__((preserve_access_index));

struct ethhdr {
	__u8 h_source[6];
} __attribute__((preserve_access_index));

struct kernfs_node {
	__u64 id;
} __attribute__((preserve_access_index));

struct net_device {
	char name[16];
} __attribute__((preserve_access_index));

struct sk_buff {
	struct net_device *dev;
	__u32 len;
	void *head;
	void *data;
} __attribute__((preserve_access_index));

struct task_struct {
	__s32 tgid;
	struct task_struct *real_parent;
	struct css_set *cgroups;
} __attribute__((preserve_access_index));

struct trace_event_raw_inet_sock_set_state {
	void *skaddr;
	__s32 oldstate;
	__s32 newstate;
	__u16 sport;
	__u16 dport;
	__u16 family;
	__u16 protocol;
	__u8 saddr[4];
	__u8 daddr[4];
	__u8 saddr_v6[16];
} __attribute__((preserve_access_index));

struct trace_event_raw_sys_enter {
	__u64 args[6];
} __attribute__((preserve_access_index));

struct cgroup___other { /* cgroup as other kernels have it */
	__u64 ancestor_ids[1];
	struct cgroup *ancestors[1];
} __attribute__((preserve_access_index));

/* Arguments of tracepoint net_dev_queue; where another kernel has them, they are found at load. */
struct args_of_tracepoint_net_dev_queue {
	__u64 skb;
} __attribute__((preserve_access_index));

/* Set by ebpfrun between open and load; the verifier drops what is switched off. */
const volatile struct event_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} events SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct state_event *const __layout_of_state_event SEC(".layout") __attribute__((used));
static const struct started_event *const __layout_of_started_event SEC(".layout") __attribute__((used));
static const struct sent_event *const __layout_of_sent_event SEC(".layout") __attribute__((used));

enum counter {
	PRODUCED_STATE,
	RING_FULL_STATE,
	SAMPLED_STATE,
	TRUNCATED_STARTED_ARGS,
	FAULTED_STARTED_ARGS,
	PRODUCED_STARTED,
	FAULTED_STARTED_FILENAME,
	TRUNCATED_STARTED_FILENAME,
	RING_FULL_STARTED,
	SAMPLED_STARTED,
	TRUNCATED_SENT_HEAD,
	FAULTED_SENT_HEAD,
	TRUNCATED_SENT_TEXT,
	FAULTED_SENT_TEXT,
	PRODUCED_SENT,
	FAULTED_SENT_DEVICE,
	TRUNCATED_SENT_DEVICE,
	RING_FULL_SENT,
	SAMPLED_SENT,
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

/* Copies length bytes, or as many as there is room for; returns and counts whether some were cut or unreadable. */
static __always_inline __u32 read_kernel_bytes(char *to, __u32 size, __u32 *got, const void *from, __u64 length,
						 __u32 cut, __u32 unreadable)
{
	__u32 n = length > size ? size : length;

	*got = n;
	if (bpf_probe_read_kernel(to, n, from)) {
		*got = 0;
		count(unreadable);
		return UNREADABLE;
	}
	if (length > size) {
		count(cut);
		return CUT;
	}
	return 0;
}

/*
 * Copies the strings of a NULL-terminated array one behind the other, each with its NUL; returns and counts whether
 * they were cut or could not be read. They are copied in pieces of a constant size, so that the verifier sees that a
 * piece fits where it goes. The position is kept in memory, where the verifier does not follow its value: all rounds
 * look the same to it.
 */
static __always_inline __u32 read_argv(char *to, __u32 size, volatile __u32 *got, const void *argv,
				       __u32 cut, __u32 unreadable)
{
	const __u32 large = size >= 512 ? 64 : size >= 16 ? size / 8 : 2, small = large > 8 ? 8 : 2;
	const char *rest = NULL;
	__u32 state = CUT;

	*got = 0;
	for (int i = 0; i < 256; i++) {
		__u32 at = *got, room = large;
		long n;

		if (!rest) {
			if (bpf_probe_read_user(&rest, sizeof(rest), argv)) {
				state = UNREADABLE;
				break;
			}
			if (!rest) {
				state = 0;
				break;
			}
			argv += sizeof(rest);
		}
		if (at <= size - large) {
			n = bpf_probe_read_user_str(to + at, large, rest);
		} else if (at <= size - small) {
			room = small;
			n = bpf_probe_read_user_str(to + at, small, rest);
		} else {
			break;
		}
		if (n < 0) {
			state = UNREADABLE;
			break;
		}
		if (n == room) { /* it may go on: the next piece begins at this one's NUL */
			*got = at + room - 1;
			rest += room - 1;
		} else {
			*got = at + (n ?: 1); /* older kernels do not count the NUL of an empty string */
			rest = NULL;
		}
	}
	if (state)
		count(state == CUT ? cut : unreadable);
	return state;
}

/* tracepoint:sock:inet_sock_set_state (event.yaml:30): inet_sock_set_state */
SEC("?tracepoint/sock/inet_sock_set_state")
int inet_sock_set_state(struct trace_event_raw_inet_sock_set_state *ctx)
{
	__s32 newstate;
	__u16 weight;
	__u64 now, pid_tgid;
	__u32 v4, v42, v43;
	bool first;
	struct state_event *e;

	if (config.filter_on && !wanted())
		return 0;
	newstate = ctx->newstate;
	if (newstate == 10 /* TCP_LISTEN */)
		return 0;
	weight = sample();
	now = bpf_ktime_get_ns();
	v4 = 0;
	bpf_probe_read_kernel(&v4, sizeof(v4), ctx->saddr);
	v42 = 0;
	bpf_probe_read_kernel(&v42, sizeof(v42), ctx->daddr);
	first = ctx->family == 10;
	v43 = 0;
	bpf_probe_read_kernel(&v43, sizeof(v43), ctx->saddr);
	pid_tgid = bpf_get_current_pid_tgid();
	count(PRODUCED_STATE);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 0;
		e->__weight = weight;
		e->__marks = 0;
		e->time = now;
		e->old = ctx->oldstate;
		e->new = newstate;
		ip_of_v4(e->source, v4);
		ip_of_v4(e->target, v42);
		if (first)
			bpf_probe_read_kernel(e->v6, 16, ctx->saddr_v6);
		else
			ip_of_v4(e->v6, v43);
		e->port = ctx->dport;
		e->tcp = ctx->protocol == 6 /* IPPROTO_TCP */;
		e->pid = pid_tgid >> 32;
		bpf_get_current_comm(e->comm, sizeof(e->comm));
		put_text(e->place, "\042; */ \077\077 \134 \303\251", 14);
		e->address = (__u64)ctx->skaddr;
		e->big = ctx->sport > 1023;
		__builtin_memset(e->__pad0, 0, sizeof(e->__pad0));
		__builtin_memset(e->__pad1, 0, sizeof(e->__pad1));
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_STATE : SAMPLED_STATE);
	}
	return 0;
}

/* tracepoint:syscalls:sys_enter_execve (event.yaml:44): sys_enter_execve */
SEC("?tracepoint/syscalls/sys_enter_execve")
int sys_enter_execve(struct trace_event_raw_sys_enter *ctx)
{
	__u16 weight;
	struct task_struct *task;
	struct started_event *e;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	task = (struct task_struct *)bpf_get_current_task();
	count(PRODUCED_STARTED);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 1;
		e->__weight = weight;
		e->__marks = 0;
		e->__marks |= read_user_string(e->filename, sizeof(e->filename), (void *)ctx->args[0],
					       TRUNCATED_STARTED_FILENAME, FAULTED_STARTED_FILENAME);
		e->__marks |= read_argv(e->args.data, sizeof(e->args.data), &e->args.length, (void *)ctx->args[1],
					TRUNCATED_STARTED_ARGS, FAULTED_STARTED_ARGS) << 2;
		e->parent = BPF_CORE_READ(task, real_parent, tgid);
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_STARTED : SAMPLED_STARTED);
	}
	return 0;
}

/* raw_tracepoint:net_dev_queue (event.yaml:47): net_dev_queue */
SEC("?raw_tp/net_dev_queue")
int net_dev_queue(struct args_of_tracepoint_net_dev_queue *ctx)
{
	struct sk_buff *skb;
	__u16 weight;
	struct sent_event *e;

	if (config.filter_on && !wanted())
		return 0;
	skb = (struct sk_buff *)ctx->skb;
	weight = sample();
	count(PRODUCED_SENT);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		__u32 read;

		e->__id = 2;
		e->__weight = weight;
		e->__marks = 0;
		e->__marks |= read_kernel_bytes(e->head.data, sizeof(e->head.data), &e->head.length,
						BPF_CORE_READ(skb, data), READ_NUMBER(skb, len), TRUNCATED_SENT_HEAD,
						FAULTED_SENT_HEAD);
		__builtin_memset(e->text, 0, sizeof(e->text));
		e->__marks |= read_kernel_bytes(e->text, sizeof(e->text) - 1, &read, BPF_CORE_READ(skb, head), 8,
						TRUNCATED_SENT_TEXT, FAULTED_SENT_TEXT) << 2;
		e->__marks |= read_kernel_string(e->device, sizeof(e->device), BPF_CORE_READ(skb, dev)->name,
						 TRUNCATED_SENT_DEVICE, FAULTED_SENT_DEVICE) << 4;
		bpf_probe_read_kernel(e->from, sizeof(e->from), ((struct ethhdr *)BPF_CORE_READ(skb, data))->h_source);
		e->length = READ_NUMBER(skb, len);
		__builtin_memset(e->__pad0, 0, sizeof(e->__pad0));
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_SENT : SAMPLED_SENT);
	}
	return 0;
}
