/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that reads shares between kernel and user space. Made by ebpfgen from reads.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct reads_config {
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
_Static_assert(sizeof(struct reads_config) == 64, "size of reads_config");
_Static_assert(offsetof(struct reads_config, filter_on) == 0, "offset of reads_config.filter_on");
_Static_assert(offsetof(struct reads_config, filter_pid) == 4, "offset of reads_config.filter_pid");
_Static_assert(offsetof(struct reads_config, filter_tid) == 8, "offset of reads_config.filter_tid");
_Static_assert(offsetof(struct reads_config, filter_uid) == 12, "offset of reads_config.filter_uid");
_Static_assert(offsetof(struct reads_config, filter_cgroup_level) == 16, "offset of reads_config.filter_cgroup_level");
_Static_assert(offsetof(struct reads_config, __pad0) == 20, "offset of reads_config.__pad0");
_Static_assert(offsetof(struct reads_config, filter_cgroup) == 24, "offset of reads_config.filter_cgroup");
_Static_assert(offsetof(struct reads_config, filter_comm) == 32, "offset of reads_config.filter_comm");
_Static_assert(offsetof(struct reads_config, sampling) == 48, "offset of reads_config.sampling");
_Static_assert(offsetof(struct reads_config, __pad1) == 52, "offset of reads_config.__pad1");
_Static_assert(offsetof(struct reads_config, ring_mark) == 56, "offset of reads_config.ring_mark");

/* Event read */
struct read_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	char name[64]; /* string(64) */
	char parent[32]; /* string(32) */
	__u64 inode;
	__u16 mode;
	__u8 __pad0[6];
	__u64 count;
	__s64 position;
	__u8 regular; /* bool */
	__u8 __pad1[7];
};
_Static_assert(sizeof(struct read_event) == 144, "size of read_event");
_Static_assert(offsetof(struct read_event, __id) == 0, "offset of read_event.__id");
_Static_assert(offsetof(struct read_event, __weight) == 2, "offset of read_event.__weight");
_Static_assert(offsetof(struct read_event, __marks) == 4, "offset of read_event.__marks");
_Static_assert(offsetof(struct read_event, name) == 8, "offset of read_event.name");
_Static_assert(offsetof(struct read_event, parent) == 72, "offset of read_event.parent");
_Static_assert(offsetof(struct read_event, inode) == 104, "offset of read_event.inode");
_Static_assert(offsetof(struct read_event, mode) == 112, "offset of read_event.mode");
_Static_assert(offsetof(struct read_event, __pad0) == 114, "offset of read_event.__pad0");
_Static_assert(offsetof(struct read_event, count) == 120, "offset of read_event.count");
_Static_assert(offsetof(struct read_event, position) == 128, "offset of read_event.position");
_Static_assert(offsetof(struct read_event, regular) == 136, "offset of read_event.regular");
_Static_assert(offsetof(struct read_event, __pad1) == 137, "offset of read_event.__pad1");

/* Event socket */
struct socket_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u8 to[16]; /* ip */
	__u8 to6[16]; /* ip */
	__u16 port;
	__u16 number;
	__u16 family;
	__u8 shut;
	__u8 __pad0[1];
	__u16 protocol;
	__u8 __pad1[2];
	__s32 error; /* errno */
};
_Static_assert(sizeof(struct socket_event) == 56, "size of socket_event");
_Static_assert(offsetof(struct socket_event, __id) == 0, "offset of socket_event.__id");
_Static_assert(offsetof(struct socket_event, __weight) == 2, "offset of socket_event.__weight");
_Static_assert(offsetof(struct socket_event, __marks) == 4, "offset of socket_event.__marks");
_Static_assert(offsetof(struct socket_event, to) == 8, "offset of socket_event.to");
_Static_assert(offsetof(struct socket_event, to6) == 24, "offset of socket_event.to6");
_Static_assert(offsetof(struct socket_event, port) == 40, "offset of socket_event.port");
_Static_assert(offsetof(struct socket_event, number) == 42, "offset of socket_event.number");
_Static_assert(offsetof(struct socket_event, family) == 44, "offset of socket_event.family");
_Static_assert(offsetof(struct socket_event, shut) == 46, "offset of socket_event.shut");
_Static_assert(offsetof(struct socket_event, __pad0) == 47, "offset of socket_event.__pad0");
_Static_assert(offsetof(struct socket_event, protocol) == 48, "offset of socket_event.protocol");
_Static_assert(offsetof(struct socket_event, __pad1) == 50, "offset of socket_event.__pad1");
_Static_assert(offsetof(struct socket_event, error) == 52, "offset of socket_event.error");

/* Event task */
struct task_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u8 waits; /* bool */
	__u8 __pad0[3];
	__u32 waited;
	__u32 uid;
	__u32 far; /* pid */
	__s32 exiting;
	__u16 swapped;
	__u8 __pad1[2];
};
_Static_assert(sizeof(struct task_event) == 32, "size of task_event");
_Static_assert(offsetof(struct task_event, __id) == 0, "offset of task_event.__id");
_Static_assert(offsetof(struct task_event, __weight) == 2, "offset of task_event.__weight");
_Static_assert(offsetof(struct task_event, __marks) == 4, "offset of task_event.__marks");
_Static_assert(offsetof(struct task_event, waits) == 8, "offset of task_event.waits");
_Static_assert(offsetof(struct task_event, __pad0) == 9, "offset of task_event.__pad0");
_Static_assert(offsetof(struct task_event, waited) == 12, "offset of task_event.waited");
_Static_assert(offsetof(struct task_event, uid) == 16, "offset of task_event.uid");
_Static_assert(offsetof(struct task_event, far) == 20, "offset of task_event.far");
_Static_assert(offsetof(struct task_event, exiting) == 24, "offset of task_event.exiting");
_Static_assert(offsetof(struct task_event, swapped) == 28, "offset of task_event.swapped");
_Static_assert(offsetof(struct task_event, __pad1) == 30, "offset of task_event.__pad1");
