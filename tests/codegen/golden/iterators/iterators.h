/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that iterators shares between kernel and user space. Made by ebpfgen from iterators.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct iterators_config {
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
_Static_assert(sizeof(struct iterators_config) == 64, "size of iterators_config");
_Static_assert(offsetof(struct iterators_config, filter_on) == 0, "offset of iterators_config.filter_on");
_Static_assert(offsetof(struct iterators_config, filter_pid) == 4, "offset of iterators_config.filter_pid");
_Static_assert(offsetof(struct iterators_config, filter_tid) == 8, "offset of iterators_config.filter_tid");
_Static_assert(offsetof(struct iterators_config, filter_uid) == 12, "offset of iterators_config.filter_uid");
_Static_assert(offsetof(struct iterators_config, filter_cgroup_level) == 16, "offset of iterators_config.filter_cgroup_level");
_Static_assert(offsetof(struct iterators_config, __pad0) == 20, "offset of iterators_config.__pad0");
_Static_assert(offsetof(struct iterators_config, filter_cgroup) == 24, "offset of iterators_config.filter_cgroup");
_Static_assert(offsetof(struct iterators_config, filter_comm) == 32, "offset of iterators_config.filter_comm");
_Static_assert(offsetof(struct iterators_config, sampling) == 48, "offset of iterators_config.sampling");
_Static_assert(offsetof(struct iterators_config, __pad1) == 52, "offset of iterators_config.__pad1");
_Static_assert(offsetof(struct iterators_config, ring_mark) == 56, "offset of iterators_config.ring_mark");

/* Event file */
struct file_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u32 pid;
	char comm[16];
	__u32 fd;
	__u64 inode;
};
_Static_assert(sizeof(struct file_event) == 40, "size of file_event");
_Static_assert(offsetof(struct file_event, __id) == 0, "offset of file_event.__id");
_Static_assert(offsetof(struct file_event, __weight) == 2, "offset of file_event.__weight");
_Static_assert(offsetof(struct file_event, __marks) == 4, "offset of file_event.__marks");
_Static_assert(offsetof(struct file_event, pid) == 8, "offset of file_event.pid");
_Static_assert(offsetof(struct file_event, comm) == 12, "offset of file_event.comm");
_Static_assert(offsetof(struct file_event, fd) == 28, "offset of file_event.fd");
_Static_assert(offsetof(struct file_event, inode) == 32, "offset of file_event.inode");

/* Event asked */
struct asked_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u32 pid;
	__u32 target; /* pid */
	__s32 signal;
};
_Static_assert(sizeof(struct asked_event) == 20, "size of asked_event");
_Static_assert(offsetof(struct asked_event, __id) == 0, "offset of asked_event.__id");
_Static_assert(offsetof(struct asked_event, __weight) == 2, "offset of asked_event.__weight");
_Static_assert(offsetof(struct asked_event, __marks) == 4, "offset of asked_event.__marks");
_Static_assert(offsetof(struct asked_event, pid) == 8, "offset of asked_event.pid");
_Static_assert(offsetof(struct asked_event, target) == 12, "offset of asked_event.target");
_Static_assert(offsetof(struct asked_event, signal) == 16, "offset of asked_event.signal");

/* Labels of metric sockets. */
struct sockets_key {
	__u8 state;
	__u8 __pad0[3];
	__u32 uid;
};
_Static_assert(sizeof(struct sockets_key) == 8, "size of sockets_key");
_Static_assert(offsetof(struct sockets_key, state) == 0, "offset of sockets_key.state");
_Static_assert(offsetof(struct sockets_key, __pad0) == 1, "offset of sockets_key.__pad0");
_Static_assert(offsetof(struct sockets_key, uid) == 4, "offset of sockets_key.uid");
