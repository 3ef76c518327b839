/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that arithmetic shares between kernel and user space. Made by ebpfgen from arithmetic.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct arithmetic_config {
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
_Static_assert(sizeof(struct arithmetic_config) == 64, "size of arithmetic_config");
_Static_assert(offsetof(struct arithmetic_config, filter_on) == 0, "offset of arithmetic_config.filter_on");
_Static_assert(offsetof(struct arithmetic_config, filter_pid) == 4, "offset of arithmetic_config.filter_pid");
_Static_assert(offsetof(struct arithmetic_config, filter_tid) == 8, "offset of arithmetic_config.filter_tid");
_Static_assert(offsetof(struct arithmetic_config, filter_uid) == 12, "offset of arithmetic_config.filter_uid");
_Static_assert(offsetof(struct arithmetic_config, filter_cgroup_level) == 16, "offset of arithmetic_config.filter_cgroup_level");
_Static_assert(offsetof(struct arithmetic_config, __pad0) == 20, "offset of arithmetic_config.__pad0");
_Static_assert(offsetof(struct arithmetic_config, filter_cgroup) == 24, "offset of arithmetic_config.filter_cgroup");
_Static_assert(offsetof(struct arithmetic_config, filter_comm) == 32, "offset of arithmetic_config.filter_comm");
_Static_assert(offsetof(struct arithmetic_config, sampling) == 48, "offset of arithmetic_config.sampling");
_Static_assert(offsetof(struct arithmetic_config, __pad1) == 52, "offset of arithmetic_config.__pad1");
_Static_assert(offsetof(struct arithmetic_config, ring_mark) == 56, "offset of arithmetic_config.ring_mark");

/* Event numbers */
struct numbers_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__s64 sum;
	__u64 product;
	__u64 share;
	__s64 tenth;
	__u64 bits;
	__u64 shifted;
	__u32 chosen;
	__u8 small;
	__u8 truth; /* bool */
	__u8 byte;
	__u8 __pad0[1];
};
_Static_assert(sizeof(struct numbers_event) == 64, "size of numbers_event");
_Static_assert(offsetof(struct numbers_event, __id) == 0, "offset of numbers_event.__id");
_Static_assert(offsetof(struct numbers_event, __weight) == 2, "offset of numbers_event.__weight");
_Static_assert(offsetof(struct numbers_event, __marks) == 4, "offset of numbers_event.__marks");
_Static_assert(offsetof(struct numbers_event, sum) == 8, "offset of numbers_event.sum");
_Static_assert(offsetof(struct numbers_event, product) == 16, "offset of numbers_event.product");
_Static_assert(offsetof(struct numbers_event, share) == 24, "offset of numbers_event.share");
_Static_assert(offsetof(struct numbers_event, tenth) == 32, "offset of numbers_event.tenth");
_Static_assert(offsetof(struct numbers_event, bits) == 40, "offset of numbers_event.bits");
_Static_assert(offsetof(struct numbers_event, shifted) == 48, "offset of numbers_event.shifted");
_Static_assert(offsetof(struct numbers_event, chosen) == 56, "offset of numbers_event.chosen");
_Static_assert(offsetof(struct numbers_event, small) == 60, "offset of numbers_event.small");
_Static_assert(offsetof(struct numbers_event, truth) == 61, "offset of numbers_event.truth");
_Static_assert(offsetof(struct numbers_event, byte) == 62, "offset of numbers_event.byte");
_Static_assert(offsetof(struct numbers_event, __pad0) == 63, "offset of numbers_event.__pad0");
