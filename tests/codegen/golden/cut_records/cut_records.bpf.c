// SPDX-License-Identifier: GPL-2.0
/*
 * cut_records: Records that end with a text, built where each kind of probe can build them.
 *
 * Made by ebpfgen from cut_records.yaml; edit that, not this.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "cut_records.h"

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

struct net_device {
	char name[16];
} __attribute__((preserve_access_index));

struct sk_buff {
	struct net_device *dev;
	__u32 len;
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

/* Arguments of tracepoint net_dev_queue; where another kernel has them, they are found at load. */
struct args_of_tracepoint_net_dev_queue {
	__u64 skb;
} __attribute__((preserve_access_index));

/* Set by ebpfrun between open and load; the verifier drops what is switched off. */
const volatile struct cut_records_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events_named SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events_opened SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events_started SEC(".maps");

/* So that BTF has these records too, and the build can prove their layout. Not loaded: no map, no code. */
static const struct named_event *const __layout_of_named_event SEC(".layout") __attribute__((used));
static const struct opened_event *const __layout_of_opened_event SEC(".layout") __attribute__((used));
static const struct started_event *const __layout_of_started_event SEC(".layout") __attribute__((used));

struct opened_event_taken {
	__u64 users;
	struct opened_event record;
};

struct started_event_taken {
	__u64 users;
	struct started_event record;
};

/* Built here: too large for the stack. An entry is one program's at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct opened_event_taken);
} opened_event_taken SEC(".maps");

/* Built here: too large for the stack. An entry is one program's at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct started_event_taken);
} started_event_taken SEC(".maps");

enum counter {
	PRODUCED_OPENED,
	FAULTED_OPENED_PATH,
	TRUNCATED_OPENED_PATH,
	RING_FULL_OPENED,
	SAMPLED_OPENED,
	PRODUCED_NAMED,
	FAULTED_NAMED_NAME,
	TRUNCATED_NAMED_NAME,
	RING_FULL_NAMED,
	SAMPLED_NAMED,
	TRUNCATED_STARTED_WORDS,
	FAULTED_STARTED_WORDS,
	PRODUCED_STARTED,
	FAULTED_STARTED_PATH,
	TRUNCATED_STARTED_PATH,
	RING_FULL_STARTED,
	SAMPLED_STARTED,
	FAULTED_NAMED_FIRST,
	TRUNCATED_NAMED_FIRST,
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
static __always_inline void submit(void *ring, void *record, __u64 size)
{
	__u64 waiting = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);

	bpf_ringbuf_submit(record, waiting - config.ring_mark < 4 * size ? BPF_RB_FORCE_WAKEUP : 0);
}

/*
 * Copies a record into the ring, as far as the text at its end goes. The kernel wakes ebpfrun with the first record
 * after it has read all others; the few that come when a quarter of the ring has just filled wake it as well.
 */
static __always_inline void output(void *ring, void *record, __u64 size, __u64 most, __u32 full)
{
	__u64 waiting = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) + size;
	__u64 flags = waiting - config.ring_mark < 4 * most ? BPF_RB_FORCE_WAKEUP : 0;

	if (size > most) /* never, but the verifier can't know */
		size = most;
	if (bpf_ringbuf_output(ring, record, size, flags))
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

enum { CUT = 1, UNREADABLE = 2 };

/* Reads the C string that a record ends with, and its bytes; returns and counts whether it was cut or unreadable. */
static __always_inline __u32 read_kernel_tail(char *to, __u32 size, __u32 *length, const void *from, __u32 cut,
					      __u32 unreadable)
{
	long n = bpf_probe_read_kernel_str(to, size, from);
	char last = 0;

	*length = n > 0 ? n : 1; /* older kernels do not count the NUL of an empty string */
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

/* Reads the C string that a record ends with, and its bytes; returns and counts whether it was cut or unreadable. */
static __always_inline __u32 read_user_tail(char *to, __u32 size, __u32 *length, const void *from, __u32 cut,
					    __u32 unreadable)
{
	long n = bpf_probe_read_user_str(to, size, from);
	char last = 0;

	*length = n > 0 ? n : 1; /* older kernels do not count the NUL of an empty string */
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

/* Reads a C string; returns and counts whether it was cut or could not be read. */
static __always_inline __u32 read_kernel_string(char *to, __u32 size, const void *from, __u32 cut, __u32 unreadable)
{
	__u32 length;

	return read_kernel_tail(to, size, &length, from, cut, unreadable);
}

/* Reads a C string; returns and counts whether it was cut or could not be read. */
static __always_inline __u32 read_user_string(char *to, __u32 size, const void *from, __u32 cut, __u32 unreadable)
{
	__u32 length;

	return read_user_tail(to, size, &length, from, cut, unreadable);
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

/* puts */
static __noinline int do_puts(struct pt_regs *ctx)
{
	__u16 weight;
	__u64 now;
	struct opened_event *taken, *e;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	now = bpf_ktime_get_ns();
	count(PRODUCED_OPENED);
	taken = weight ? take(&opened_event_taken) : NULL;
	e = taken;
	if (weight && !taken)
		e = bpf_ringbuf_reserve(&events_opened, sizeof(*e), 0);
	if (e) {
		__u32 length;

		e->__id = 1;
		e->__weight = weight;
		e->__marks = 0;
		e->time = now;
		e->__marks |= read_user_tail(e->path, sizeof(e->path), &length, (void *)PT_REGS_PARM1(ctx),
					     TRUNCATED_OPENED_PATH, FAULTED_OPENED_PATH);
		if (taken) {
			output(&events_opened, e, offsetof(struct opened_event, path) + length, sizeof(*e),
			       RING_FULL_OPENED);
			give_back(taken);
		} else {
			submit(&events_opened, e, sizeof(*e));
		}
	} else {
		count(weight ? RING_FULL_OPENED : SAMPLED_OPENED);
	}
	return 0;
}

/* tracepoint:syscalls:sys_enter_openat (cut_records.yaml:17): sys_enter_openat */
SEC("?tracepoint/syscalls/sys_enter_openat")
int sys_enter_openat(struct trace_event_raw_sys_enter *ctx)
{
	__u16 weight;
	__s32 flags;
	const char *filename;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	flags = (__s32)ctx->args[2];
	barrier_var(flags);
	filename = (void *)ctx->args[1];
	barrier_var(filename);
	if (flags == 0 /* O_RDONLY */) {
		__u64 now = bpf_ktime_get_ns();
		struct opened_event *taken, *e;

		count(PRODUCED_OPENED);
		taken = weight ? take(&opened_event_taken) : NULL;
		e = taken;
		if (weight && !taken)
			e = bpf_ringbuf_reserve(&events_opened, sizeof(*e), 0);
		if (e) {
			__u32 length;

			e->__id = 1;
			e->__weight = weight;
			e->__marks = 0;
			e->time = now;
			e->__marks |= read_user_tail(e->path, sizeof(e->path), &length, filename, TRUNCATED_OPENED_PATH,
						     FAULTED_OPENED_PATH);
			if (taken) {
				output(&events_opened, e, offsetof(struct opened_event, path) + length, sizeof(*e),
				       RING_FULL_OPENED);
				give_back(taken);
			} else {
				submit(&events_opened, e, sizeof(*e));
			}
		} else {
			count(weight ? RING_FULL_OPENED : SAMPLED_OPENED);
		}
	}
	if (flags != 0 /* O_RDONLY */) {
		__u64 now2 = bpf_ktime_get_ns();

		count(PRODUCED_NAMED);
		if (weight) {
			struct named_event e2;
			__u32 length2;

			e2.__id = 0;
			e2.__weight = weight;
			e2.__marks = 0;
			e2.time = now2;
			__builtin_memset(e2.first, 0, sizeof(e2.first));
			put_text(e2.first, "open", 5);
			e2.number = (__u32)flags;
			e2.__marks |= read_user_tail(e2.name, sizeof(e2.name), &length2, filename, TRUNCATED_NAMED_NAME,
						     FAULTED_NAMED_NAME) << 2;
			__builtin_memset(e2.__pad0, 0, sizeof(e2.__pad0));
			output(&events_named, &e2, offsetof(struct named_event, name) + length2, sizeof(e2),
			       RING_FULL_NAMED);
		} else {
			count(SAMPLED_NAMED);
		}
	}
	return 0;
}

/* tracepoint:syscalls:sys_enter_execve (cut_records.yaml:21): sys_enter_execve */
SEC("?tracepoint/syscalls/sys_enter_execve")
int sys_enter_execve(struct trace_event_raw_sys_enter *ctx)
{
	__u16 weight;
	struct started_event *taken, *e;

	if (config.filter_on && !wanted())
		return 0;
	weight = sample();
	count(PRODUCED_STARTED);
	taken = weight ? take(&started_event_taken) : NULL;
	e = taken;
	if (weight && !taken)
		e = bpf_ringbuf_reserve(&events_started, sizeof(*e), 0);
	if (e) {
		__u32 length;

		e->__id = 2;
		e->__weight = weight;
		e->__marks = 0;
		e->__marks |= read_user_string(e->path, sizeof(e->path), (void *)ctx->args[0], TRUNCATED_STARTED_PATH,
					       FAULTED_STARTED_PATH);
		e->__marks |= read_argv(e->words.data, sizeof(e->words.data), &e->words.length, (void *)ctx->args[1],
					TRUNCATED_STARTED_WORDS, FAULTED_STARTED_WORDS) << 2;
		length = sizeof(e->words.length) + e->words.length;
		if (taken) {
			output(&events_started, e, offsetof(struct started_event, words) + length, sizeof(*e),
			       RING_FULL_STARTED);
			give_back(taken);
		} else {
			submit(&events_started, e, sizeof(*e));
		}
	} else {
		count(weight ? RING_FULL_STARTED : SAMPLED_STARTED);
	}
	return 0;
}

/* uprobe:libc.so.6:puts (cut_records.yaml:24): puts */
SEC("?uprobe")
int on_puts(struct pt_regs *ctx)
{
	if (bpf_preempt_disable)
		bpf_preempt_disable();
	do_puts(ctx);
	if (bpf_preempt_enable)
		bpf_preempt_enable();
	return 0;
}

/* raw_tracepoint:net_dev_queue (cut_records.yaml:25): net_dev_queue */
SEC("?raw_tp/net_dev_queue")
int net_dev_queue(struct args_of_tracepoint_net_dev_queue *ctx)
{
	struct sk_buff *skb;
	__u16 weight;
	__u64 now;
	struct opened_event *taken, *e2;

	if (config.filter_on && !wanted())
		return 0;
	skb = (struct sk_buff *)ctx->skb;
	weight = sample();
	now = bpf_ktime_get_ns();
	count(PRODUCED_NAMED);
	if (weight) {
		struct named_event e;
		__u32 length;

		e.__id = 0;
		e.__weight = weight;
		e.__marks = 0;
		e.time = now;
		__builtin_memset(e.first, 0, sizeof(e.first));
		e.__marks |= read_kernel_string(e.first, sizeof(e.first), BPF_CORE_READ(skb, dev)->name,
						TRUNCATED_NAMED_FIRST, FAULTED_NAMED_FIRST);
		e.number = READ_NUMBER(skb, len);
		e.__marks |= read_kernel_tail(e.name, 16, &length, BPF_CORE_READ(skb, dev)->name, TRUNCATED_NAMED_NAME,
					      FAULTED_NAMED_NAME) << 2;
		__builtin_memset(e.__pad0, 0, sizeof(e.__pad0));
		output(&events_named, &e, offsetof(struct named_event, name) + length, sizeof(e), RING_FULL_NAMED);
	} else {
		count(SAMPLED_NAMED);
	}
	count(PRODUCED_OPENED);
	taken = weight ? take(&opened_event_taken) : NULL;
	e2 = taken;
	if (weight && !taken)
		e2 = bpf_ringbuf_reserve(&events_opened, sizeof(*e2), 0);
	if (e2) {
		__u32 length2;

		e2->__id = 1;
		e2->__weight = weight;
		e2->__marks = 0;
		e2->time = now;
		e2->__marks |= read_kernel_tail(e2->path, 16, &length2, BPF_CORE_READ(skb, dev)->name,
						TRUNCATED_OPENED_PATH, FAULTED_OPENED_PATH);
		if (taken) {
			output(&events_opened, e2, offsetof(struct opened_event, path) + length2, sizeof(*e2),
			       RING_FULL_OPENED);
			give_back(taken);
		} else {
			submit(&events_opened, e2, sizeof(*e2));
		}
	} else {
		count(weight ? RING_FULL_OPENED : SAMPLED_OPENED);
	}
	return 0;
}
