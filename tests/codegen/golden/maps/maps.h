/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that maps shares between kernel and user space. Made by ebpfgen from maps.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct maps_config {
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
_Static_assert(sizeof(struct maps_config) == 64, "size of maps_config");
_Static_assert(offsetof(struct maps_config, filter_on) == 0, "offset of maps_config.filter_on");
_Static_assert(offsetof(struct maps_config, filter_pid) == 4, "offset of maps_config.filter_pid");
_Static_assert(offsetof(struct maps_config, filter_tid) == 8, "offset of maps_config.filter_tid");
_Static_assert(offsetof(struct maps_config, filter_uid) == 12, "offset of maps_config.filter_uid");
_Static_assert(offsetof(struct maps_config, filter_cgroup_level) == 16, "offset of maps_config.filter_cgroup_level");
_Static_assert(offsetof(struct maps_config, __pad0) == 20, "offset of maps_config.__pad0");
_Static_assert(offsetof(struct maps_config, filter_cgroup) == 24, "offset of maps_config.filter_cgroup");
_Static_assert(offsetof(struct maps_config, filter_comm) == 32, "offset of maps_config.filter_comm");
_Static_assert(offsetof(struct maps_config, sampling) == 48, "offset of maps_config.sampling");
_Static_assert(offsetof(struct maps_config, __pad1) == 52, "offset of maps_config.__pad1");
_Static_assert(offsetof(struct maps_config, ring_mark) == 56, "offset of maps_config.ring_mark");

/* Event again */
struct again_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u32 pid;
	char comm[16];
	__u8 __pad0[4];
	__u64 age; /* duration */
	__u32 times;
	char path[200]; /* string(200) */
	__u8 __pad1[4];
	__u64 total;
	__s64 only;
};
_Static_assert(sizeof(struct again_event) == 264, "size of again_event");
_Static_assert(offsetof(struct again_event, __id) == 0, "offset of again_event.__id");
_Static_assert(offsetof(struct again_event, __weight) == 2, "offset of again_event.__weight");
_Static_assert(offsetof(struct again_event, __marks) == 4, "offset of again_event.__marks");
_Static_assert(offsetof(struct again_event, pid) == 8, "offset of again_event.pid");
_Static_assert(offsetof(struct again_event, comm) == 12, "offset of again_event.comm");
_Static_assert(offsetof(struct again_event, __pad0) == 28, "offset of again_event.__pad0");
_Static_assert(offsetof(struct again_event, age) == 32, "offset of again_event.age");
_Static_assert(offsetof(struct again_event, times) == 40, "offset of again_event.times");
_Static_assert(offsetof(struct again_event, path) == 44, "offset of again_event.path");
_Static_assert(offsetof(struct again_event, __pad1) == 244, "offset of again_event.__pad1");
_Static_assert(offsetof(struct again_event, total) == 248, "offset of again_event.total");
_Static_assert(offsetof(struct again_event, only) == 256, "offset of again_event.only");

/* Key of map seen. */
struct seen_key {
	__u32 pid;
	char name[16]; /* comm */
};
_Static_assert(sizeof(struct seen_key) == 20, "size of seen_key");
_Static_assert(offsetof(struct seen_key, pid) == 0, "offset of seen_key.pid");
_Static_assert(offsetof(struct seen_key, name) == 4, "offset of seen_key.name");

/* Value of map seen. */
struct seen_value {
	__u64 first; /* timestamp */
	__u32 times;
	__u8 flags;
	char path[200]; /* string(200) */
	__u8 __pad0[3];
	__u32 __marks;
	__u8 __pad1[4];
};
_Static_assert(sizeof(struct seen_value) == 224, "size of seen_value");
_Static_assert(offsetof(struct seen_value, first) == 0, "offset of seen_value.first");
_Static_assert(offsetof(struct seen_value, times) == 8, "offset of seen_value.times");
_Static_assert(offsetof(struct seen_value, flags) == 12, "offset of seen_value.flags");
_Static_assert(offsetof(struct seen_value, path) == 13, "offset of seen_value.path");
_Static_assert(offsetof(struct seen_value, __pad0) == 213, "offset of seen_value.__pad0");
_Static_assert(offsetof(struct seen_value, __marks) == 216, "offset of seen_value.__marks");
_Static_assert(offsetof(struct seen_value, __pad1) == 220, "offset of seen_value.__pad1");

/* Value of map large. */
struct large_value {
	char path[300]; /* string(300) */
	__u8 __pad0[4];
	__u64 size; /* bytes */
	__u32 __marks;
	__u8 __pad1[4];
};
_Static_assert(sizeof(struct large_value) == 320, "size of large_value");
_Static_assert(offsetof(struct large_value, path) == 0, "offset of large_value.path");
_Static_assert(offsetof(struct large_value, __pad0) == 300, "offset of large_value.__pad0");
_Static_assert(offsetof(struct large_value, size) == 304, "offset of large_value.size");
_Static_assert(offsetof(struct large_value, __marks) == 312, "offset of large_value.__marks");
_Static_assert(offsetof(struct large_value, __pad1) == 316, "offset of large_value.__pad1");
