/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that usdt shares between kernel and user space. Made by ebpfgen from usdt.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct usdt_config {
	__u32 filter_on;
	__u32 filter_pid;
	__u32 filter_tid;
	__u32 filter_uid;
	__u32 filter_cgroup_level;
	__u8 __pad0[4];
	__u64 filter_cgroup;
	char filter_comm[16]; /* comm */
	__u32 sampling;
	__u8 __pad1[4];
	__u64 ring_mark;
};
_Static_assert(sizeof(struct usdt_config) == 64, "size of usdt_config");
_Static_assert(offsetof(struct usdt_config, filter_on) == 0, "offset of usdt_config.filter_on");
_Static_assert(offsetof(struct usdt_config, filter_pid) == 4, "offset of usdt_config.filter_pid");
_Static_assert(offsetof(struct usdt_config, filter_tid) == 8, "offset of usdt_config.filter_tid");
_Static_assert(offsetof(struct usdt_config, filter_uid) == 12, "offset of usdt_config.filter_uid");
_Static_assert(offsetof(struct usdt_config, filter_cgroup_level) == 16, "offset of usdt_config.filter_cgroup_level");
_Static_assert(offsetof(struct usdt_config, __pad0) == 20, "offset of usdt_config.__pad0");
_Static_assert(offsetof(struct usdt_config, filter_cgroup) == 24, "offset of usdt_config.filter_cgroup");
_Static_assert(offsetof(struct usdt_config, filter_comm) == 32, "offset of usdt_config.filter_comm");
_Static_assert(offsetof(struct usdt_config, sampling) == 48, "offset of usdt_config.sampling");
_Static_assert(offsetof(struct usdt_config, __pad1) == 52, "offset of usdt_config.__pad1");
_Static_assert(offsetof(struct usdt_config, ring_mark) == 56, "offset of usdt_config.ring_mark");

/* Event thrown */
struct thrown_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u64 time; /* timestamp */
	char type[64]; /* string(64) */
	__u8 again; /* bool */
	__u8 __pad0[7];
};
_Static_assert(sizeof(struct thrown_event) == 88, "size of thrown_event");
_Static_assert(offsetof(struct thrown_event, __id) == 0, "offset of thrown_event.__id");
_Static_assert(offsetof(struct thrown_event, __weight) == 2, "offset of thrown_event.__weight");
_Static_assert(offsetof(struct thrown_event, __marks) == 4, "offset of thrown_event.__marks");
_Static_assert(offsetof(struct thrown_event, time) == 8, "offset of thrown_event.time");
_Static_assert(offsetof(struct thrown_event, type) == 16, "offset of thrown_event.type");
_Static_assert(offsetof(struct thrown_event, again) == 80, "offset of thrown_event.again");
_Static_assert(offsetof(struct thrown_event, __pad0) == 81, "offset of thrown_event.__pad0");

/* Metric sizes: sizes */
struct sizes_value {
	__u64 count;
	__u64 sum;
	__u64 slots[64];
};
_Static_assert(sizeof(struct sizes_value) == 528, "size of sizes_value");
_Static_assert(offsetof(struct sizes_value, count) == 0, "offset of sizes_value.count");
_Static_assert(offsetof(struct sizes_value, sum) == 8, "offset of sizes_value.sum");
_Static_assert(offsetof(struct sizes_value, slots) == 16, "offset of sizes_value.slots");
