/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that large_values shares between kernel and user space. Made by ebpfgen from large_values.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct large_values_config {
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
_Static_assert(sizeof(struct large_values_config) == 64, "size of large_values_config");
_Static_assert(offsetof(struct large_values_config, filter_on) == 0, "offset of large_values_config.filter_on");
_Static_assert(offsetof(struct large_values_config, filter_pid) == 4, "offset of large_values_config.filter_pid");
_Static_assert(offsetof(struct large_values_config, filter_tid) == 8, "offset of large_values_config.filter_tid");
_Static_assert(offsetof(struct large_values_config, filter_uid) == 12, "offset of large_values_config.filter_uid");
_Static_assert(offsetof(struct large_values_config, filter_cgroup_level) == 16, "offset of large_values_config.filter_cgroup_level");
_Static_assert(offsetof(struct large_values_config, __pad0) == 20, "offset of large_values_config.__pad0");
_Static_assert(offsetof(struct large_values_config, filter_cgroup) == 24, "offset of large_values_config.filter_cgroup");
_Static_assert(offsetof(struct large_values_config, filter_comm) == 32, "offset of large_values_config.filter_comm");
_Static_assert(offsetof(struct large_values_config, sampling) == 48, "offset of large_values_config.sampling");
_Static_assert(offsetof(struct large_values_config, __pad1) == 52, "offset of large_values_config.__pad1");
_Static_assert(offsetof(struct large_values_config, ring_mark) == 56, "offset of large_values_config.ring_mark");

/* Event opened */
struct opened_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	char path[512]; /* string(512) */
	char previous[512]; /* string(512) */
	__s64 result;
};
_Static_assert(sizeof(struct opened_event) == 1040, "size of opened_event");
_Static_assert(offsetof(struct opened_event, __id) == 0, "offset of opened_event.__id");
_Static_assert(offsetof(struct opened_event, __weight) == 2, "offset of opened_event.__weight");
_Static_assert(offsetof(struct opened_event, __marks) == 4, "offset of opened_event.__marks");
_Static_assert(offsetof(struct opened_event, path) == 8, "offset of opened_event.path");
_Static_assert(offsetof(struct opened_event, previous) == 520, "offset of opened_event.previous");
_Static_assert(offsetof(struct opened_event, result) == 1032, "offset of opened_event.result");

/* Value of map paths. */
struct paths_value {
	char path[512]; /* string(512) */
	__u64 when;
	__u32 __marks;
	__u8 __pad0[4];
};
_Static_assert(sizeof(struct paths_value) == 528, "size of paths_value");
_Static_assert(offsetof(struct paths_value, path) == 0, "offset of paths_value.path");
_Static_assert(offsetof(struct paths_value, when) == 512, "offset of paths_value.when");
_Static_assert(offsetof(struct paths_value, __marks) == 520, "offset of paths_value.__marks");
_Static_assert(offsetof(struct paths_value, __pad0) == 524, "offset of paths_value.__pad0");

/* What is kept from the start of span open. */
struct open_span {
	__u64 __started; /* timestamp */
	char path[512]; /* string(512) */
	__u32 __marks;
	__u8 __pad0[4];
};
_Static_assert(sizeof(struct open_span) == 528, "size of open_span");
_Static_assert(offsetof(struct open_span, __started) == 0, "offset of open_span.__started");
_Static_assert(offsetof(struct open_span, path) == 8, "offset of open_span.path");
_Static_assert(offsetof(struct open_span, __marks) == 520, "offset of open_span.__marks");
_Static_assert(offsetof(struct open_span, __pad0) == 524, "offset of open_span.__pad0");
