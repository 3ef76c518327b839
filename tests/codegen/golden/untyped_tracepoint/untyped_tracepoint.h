/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that untyped_tracepoint shares between kernel and user space. Made by ebpfgen from untyped_tracepoint.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct untyped_tracepoint_config {
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
_Static_assert(sizeof(struct untyped_tracepoint_config) == 64, "size of untyped_tracepoint_config");
_Static_assert(offsetof(struct untyped_tracepoint_config, filter_on) == 0, "offset of untyped_tracepoint_config.filter_on");
_Static_assert(offsetof(struct untyped_tracepoint_config, filter_pid) == 4, "offset of untyped_tracepoint_config.filter_pid");
_Static_assert(offsetof(struct untyped_tracepoint_config, filter_tid) == 8, "offset of untyped_tracepoint_config.filter_tid");
_Static_assert(offsetof(struct untyped_tracepoint_config, filter_uid) == 12, "offset of untyped_tracepoint_config.filter_uid");
_Static_assert(offsetof(struct untyped_tracepoint_config, filter_cgroup_level) == 16, "offset of untyped_tracepoint_config.filter_cgroup_level");
_Static_assert(offsetof(struct untyped_tracepoint_config, __pad0) == 20, "offset of untyped_tracepoint_config.__pad0");
_Static_assert(offsetof(struct untyped_tracepoint_config, filter_cgroup) == 24, "offset of untyped_tracepoint_config.filter_cgroup");
_Static_assert(offsetof(struct untyped_tracepoint_config, filter_comm) == 32, "offset of untyped_tracepoint_config.filter_comm");
_Static_assert(offsetof(struct untyped_tracepoint_config, sampling) == 48, "offset of untyped_tracepoint_config.sampling");
_Static_assert(offsetof(struct untyped_tracepoint_config, __pad1) == 52, "offset of untyped_tracepoint_config.__pad1");
_Static_assert(offsetof(struct untyped_tracepoint_config, ring_mark) == 56, "offset of untyped_tracepoint_config.ring_mark");

/* Event trip */
struct trip_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	char zone[20]; /* string(20) */
	__s32 id;
	__u64 kelvin;
	__u8 first;
	__u8 __pad0[7];
};
_Static_assert(sizeof(struct trip_event) == 48, "size of trip_event");
_Static_assert(offsetof(struct trip_event, __id) == 0, "offset of trip_event.__id");
_Static_assert(offsetof(struct trip_event, __weight) == 2, "offset of trip_event.__weight");
_Static_assert(offsetof(struct trip_event, __marks) == 4, "offset of trip_event.__marks");
_Static_assert(offsetof(struct trip_event, zone) == 8, "offset of trip_event.zone");
_Static_assert(offsetof(struct trip_event, id) == 28, "offset of trip_event.id");
_Static_assert(offsetof(struct trip_event, kelvin) == 32, "offset of trip_event.kelvin");
_Static_assert(offsetof(struct trip_event, first) == 40, "offset of trip_event.first");
_Static_assert(offsetof(struct trip_event, __pad0) == 41, "offset of trip_event.__pad0");
