// SPDX-License-Identifier: GPL-2.0
/*
 * texts_and_addresses: Text, argument vectors, bytes and addresses.
 *
 * Made by ebpfgen from texts_and_addresses.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "texts_and_addresses.h"

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
	__u16 h_proto;
} __attribute__((preserve_access_index));

struct in6_addr {
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
	__u16 protocol;
	void *data;
} __attribute__((preserve_access_index));

struct sock_common {
	__u32 skc_daddr;
	struct in6_addr skc_v6_daddr;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
} __attribute__((preserve_access_index));

struct task_struct {
	struct css_set *cgroups;
} __attribute__((preserve_access_index));

struct trace_event_raw_inet_sock_set_state {
	void *skaddr;
	__u16 family;
	__u8 saddr[4];
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
const volatile struct texts_and_addresses_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct executed_event *const __layout_of_executed_event SEC(".layout") __attribute__((used));
static const struct state_event *const __layout_of_state_event SEC(".layout") __attribute__((used));
static const struct packet_event *const __layout_of_packet_event SEC(".layout") __attribute__((used));

struct executed_event_taken {
	__u64 users;
	struct executed_event record;
};

/* Built here: too large for the stack. An entry is one program's at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct executed_event_taken);
} executed_event_taken SEC(".maps");

enum counter {
	TRUNCATED_EXECUTED_ARGUMENTS,
	FAULTED_EXECUTED_ARGUMENTS,
	TRUNCATED_EXECUTED_FIRST,
	FAULTED_EXECUTED_FIRST,
	PRODUCED_EXECUTED,
	FAULTED_EXECUTED_PATH,
	TRUNCATED_EXECUTED_PATH,
	RING_FULL_EXECUTED,
	SAMPLED_EXECUTED,
	PRODUCED_STATE,
	RING_FULL_STATE,
	SAMPLED_STATE,
	PRODUCED_PACKET,
	FAULTED_PACKET_DEVICE,
	TRUNCATED_PACKET_DEVICE,
	RING_FULL_PACKET,
	SAMPLED_PACKET,
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

/*
 * Copies a record into the ring, as far as the text at its end goes. The kernel wakes ebpfrun with the first record
 * after it has read all others; the few that come when a quarter of the ring has just filled wake it as well.
 */
static __always_inline void output(void *record, __u64 size, __u64 most, __u32 full)
{
	__u64 waiting = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) + size;
	__u64 flags = waiting - config.ring_mark < 4 * most ? BPF_RB_FORCE_WAKEUP : 0;

	if (size > most) /* never, but the verifier can't know */
		size = most;
	if (bpf_ringbuf_output(&events, record, size, flags))
		count(full);
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
static __always_inline __u32 read_user_bytes(char *to, __u32 size, __u32 *got, const void *from, __u64 length,
						 __u32 cut, __u32 unreadable)
{
	__u32 n = length > size ? size : length;

	*got = n;
	if (bpf_probe_read_user(to, n, from)) {
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

/* tracepoint:syscalls:sys_enter_execve (texts_and_addresses.yaml:11): sys_enter_execve */
SEC("?tracepoint/syscalls/sys_enter_execve")
int sys_enter_execve(struct trace_event_raw_sys_enter *ctx)
{
	char comm[16], text[10];
	const char *filename;
	__u16 weight;
	struct executed_event *taken, *e;

	if (config.filter_on && !wanted())
		return 0;
	__builtin_memset(comm, 0, sizeof(comm));
	bpf_get_current_comm(comm, sizeof(comm));
	if (is_text(comm, "systemd", 8))
		return 0;
	__builtin_memset(text, 0, sizeof(text));
	filename = (void *)ctx->args[0];
	bpf_probe_read_user_str(text, 10, filename);
	if (is_text(text, "/usr/lib/", 9))
		return 0;
	weight = sample();
	count(PRODUCED_EXECUTED);
	taken = weight ? take(&executed_event_taken) : NULL;
	e = taken;
	if (weight && !taken)
		e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (e) {
		__u32 length;

		e->__id = 0;
		e->__weight = weight;
		e->__marks = 0;
		e->__marks |= read_user_string(e->path, sizeof(e->path), filename, TRUNCATED_EXECUTED_PATH,
					       FAULTED_EXECUTED_PATH);
		e->__marks |= read_argv(e->arguments.data, sizeof(e->arguments.data), &e->arguments.length,
					(void *)ctx->args[1], TRUNCATED_EXECUTED_ARGUMENTS,
					FAULTED_EXECUTED_ARGUMENTS) << 2;
		e->__marks |= read_user_bytes(e->first.data, sizeof(e->first.data), &e->first.length, filename, 16,
					      TRUNCATED_EXECUTED_FIRST, FAULTED_EXECUTED_FIRST) << 4;
		length = sizeof(e->first.length) + e->first.length;
		if (taken) {
			output(e, offsetof(struct executed_event, first) + length, sizeof(*e), RING_FULL_EXECUTED);
			give_back(taken);
		} else {
			submit(e, sizeof(*e));
		}
	} else {
		count(weight ? RING_FULL_EXECUTED : SAMPLED_EXECUTED);
	}
	return 0;
}

/* tracepoint:sock:inet_sock_set_state (texts_and_addresses.yaml:15): inet_sock_set_state */
SEC("?tracepoint/sock/inet_sock_set_state")
int inet_sock_set_state(struct trace_event_raw_inet_sock_set_state *ctx)
{
	struct sock *sk;
	__u16 weight;
	__u32 v4;
	struct state_event *e;

	if (config.filter_on && !wanted())
		return 0;
	if (ctx->family != 2 /* AF_INET */)
		return 0;
	sk = (struct sock *)ctx->skaddr;
	weight = sample();
	v4 = 0;
	bpf_probe_read_kernel(&v4, sizeof(v4), ctx->saddr);
	count(PRODUCED_STATE);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 1;
		e->__weight = weight;
		e->__marks = 0;
		put_text(e->name, "state", 6);
		ip_of_v4(e->local, v4);
		ip_of_v4(e->remote, READ_NUMBER(sk, __sk_common.skc_daddr));
		bpf_probe_read_kernel(e->remote_six, 16, &sk->__sk_common.skc_v6_daddr);
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_STATE : SAMPLED_STATE);
	}
	return 0;
}

/* tp_btf:net_dev_queue (texts_and_addresses.yaml:24): net_dev_queue */
SEC("?tp_btf/net_dev_queue")
int net_dev_queue(struct args_of_tracepoint_net_dev_queue *ctx)
{
	struct sk_buff *skb;
	char text[6];
	bool both, first;
	struct ethhdr *header;
	__u16 weight;
	struct packet_event *e;

	if (config.filter_on && !wanted())
		return 0;
	skb = (struct sk_buff *)ctx->skb;
	__builtin_memset(text, 0, sizeof(text));
	bpf_probe_read_kernel_str(text, 6, skb->dev->name);
	both = !is_text(text, "eth0", 5);
	if (both) {
		char text2[16];
		long length = bpf_probe_read_kernel_str(text2, 16, skb->dev->name);

		both = (length > 0 ? length - 1 : 0) <= 8;
	}
	if (both)
		return 0;
	header = (struct ethhdr *)skb->data;
	weight = sample();
	first = NUMBER(skb, protocol) == bpf_htons(2048 /* ETH_P_IP */);
	count(PRODUCED_PACKET);
	e = weight ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;
	if (e) {
		e->__id = 2;
		e->__weight = weight;
		e->__marks = 0;
		e->__marks |= read_kernel_string(e->device, sizeof(e->device), skb->dev->name, TRUNCATED_PACKET_DEVICE,
						 FAULTED_PACKET_DEVICE);
		bpf_probe_read_kernel(e->source, sizeof(e->source), header->h_source);
		if (first)
			ip_of_v4(e->four, NUMBER(skb, len));
		else
			ip_of_v4(e->four, (__u32)((__u64)READ_NUMBER(header, h_proto) + NUMBER(skb, len)));
		e->protocol = bpf_ntohs(NUMBER(skb, protocol));
		e->length = NUMBER(skb, len);
		submit(e, sizeof(*e));
	} else {
		count(weight ? RING_FULL_PACKET : SAMPLED_PACKET);
	}
	return 0;
}
