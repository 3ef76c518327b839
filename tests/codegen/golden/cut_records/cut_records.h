/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that cut_records shares between kernel and user space. Made by ebpfgen from cut_records.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct cut_records_config {
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
_Static_assert(sizeof(struct cut_records_config) == 64, "size of cut_records_config");
_Static_assert(offsetof(struct cut_records_config, filter_on) == 0, "offset of cut_records_config.filter_on");
_Static_assert(offsetof(struct cut_records_config, filter_pid) == 4, "offset of cut_records_config.filter_pid");
_Static_assert(offsetof(struct cut_records_config, filter_tid) == 8, "offset of cut_records_config.filter_tid");
_Static_assert(offsetof(struct cut_records_config, filter_uid) == 12, "offset of cut_records_config.filter_uid");
_Static_assert(offsetof(struct cut_records_config, filter_cgroup_level) == 16, "offset of cut_records_config.filter_cgroup_level");
_Static_assert(offsetof(struct cut_records_config, __pad0) == 20, "offset of cut_records_config.__pad0");
_Static_assert(offsetof(struct cut_records_config, filter_cgroup) == 24, "offset of cut_records_config.filter_cgroup");
_Static_assert(offsetof(struct cut_records_config, filter_comm) == 32, "offset of cut_records_config.filter_comm");
_Static_assert(offsetof(struct cut_records_config, sampling) == 48, "offset of cut_records_config.sampling");
_Static_assert(offsetof(struct cut_records_config, __pad1) == 52, "offset of cut_records_config.__pad1");
_Static_assert(offsetof(struct cut_records_config, ring_mark) == 56, "offset of cut_records_config.ring_mark");

/* Event named */
struct named_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u64 time; /* timestamp */
	char first[16]; /* string(16) */
	__u32 number;
	char name[64]; /* string(64) */
	__u8 __pad0[4];
};
_Static_assert(sizeof(struct named_event) == 104, "size of named_event");
_Static_assert(offsetof(struct named_event, __id) == 0, "offset of named_event.__id");
_Static_assert(offsetof(struct named_event, __weight) == 2, "offset of named_event.__weight");
_Static_assert(offsetof(struct named_event, __marks) == 4, "offset of named_event.__marks");
_Static_assert(offsetof(struct named_event, time) == 8, "offset of named_event.time");
_Static_assert(offsetof(struct named_event, first) == 16, "offset of named_event.first");
_Static_assert(offsetof(struct named_event, number) == 32, "offset of named_event.number");
_Static_assert(offsetof(struct named_event, name) == 36, "offset of named_event.name");
_Static_assert(offsetof(struct named_event, __pad0) == 100, "offset of named_event.__pad0");

/* Event opened */
struct opened_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u64 time; /* timestamp */
	char path[1024]; /* string(1024) */
};
_Static_assert(sizeof(struct opened_event) == 1040, "size of opened_event");
_Static_assert(offsetof(struct opened_event, __id) == 0, "offset of opened_event.__id");
_Static_assert(offsetof(struct opened_event, __weight) == 2, "offset of opened_event.__weight");
_Static_assert(offsetof(struct opened_event, __marks) == 4, "offset of opened_event.__marks");
_Static_assert(offsetof(struct opened_event, time) == 8, "offset of opened_event.time");
_Static_assert(offsetof(struct opened_event, path) == 16, "offset of opened_event.path");

/* Event started */
struct started_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	char path[64]; /* string(64) */
	struct { __u32 length; char data[200]; } words; /* argv(200) */
};
_Static_assert(sizeof(struct started_event) == 276, "size of started_event");
_Static_assert(offsetof(struct started_event, __id) == 0, "offset of started_event.__id");
_Static_assert(offsetof(struct started_event, __weight) == 2, "offset of started_event.__weight");
_Static_assert(offsetof(struct started_event, __marks) == 4, "offset of started_event.__marks");
_Static_assert(offsetof(struct started_event, path) == 8, "offset of started_event.path");
_Static_assert(offsetof(struct started_event, words) == 72, "offset of started_event.words");
