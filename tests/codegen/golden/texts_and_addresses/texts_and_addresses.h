/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that texts_and_addresses shares between kernel and user space. Made by ebpfgen from texts_and_addresses.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct texts_and_addresses_config {
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
_Static_assert(sizeof(struct texts_and_addresses_config) == 64, "size of texts_and_addresses_config");
_Static_assert(offsetof(struct texts_and_addresses_config, filter_on) == 0, "offset of texts_and_addresses_config.filter_on");
_Static_assert(offsetof(struct texts_and_addresses_config, filter_pid) == 4, "offset of texts_and_addresses_config.filter_pid");
_Static_assert(offsetof(struct texts_and_addresses_config, filter_tid) == 8, "offset of texts_and_addresses_config.filter_tid");
_Static_assert(offsetof(struct texts_and_addresses_config, filter_uid) == 12, "offset of texts_and_addresses_config.filter_uid");
_Static_assert(offsetof(struct texts_and_addresses_config, filter_cgroup_level) == 16, "offset of texts_and_addresses_config.filter_cgroup_level");
_Static_assert(offsetof(struct texts_and_addresses_config, __pad0) == 20, "offset of texts_and_addresses_config.__pad0");
_Static_assert(offsetof(struct texts_and_addresses_config, filter_cgroup) == 24, "offset of texts_and_addresses_config.filter_cgroup");
_Static_assert(offsetof(struct texts_and_addresses_config, filter_comm) == 32, "offset of texts_and_addresses_config.filter_comm");
_Static_assert(offsetof(struct texts_and_addresses_config, sampling) == 48, "offset of texts_and_addresses_config.sampling");
_Static_assert(offsetof(struct texts_and_addresses_config, __pad1) == 52, "offset of texts_and_addresses_config.__pad1");
_Static_assert(offsetof(struct texts_and_addresses_config, ring_mark) == 56, "offset of texts_and_addresses_config.ring_mark");

/* Event executed */
struct executed_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	char path[64]; /* string(64) */
	struct { __u32 length; char data[128]; } arguments; /* argv(128) */
	struct { __u32 length; char data[32]; } first; /* argv(32) */
};
_Static_assert(sizeof(struct executed_event) == 240, "size of executed_event");
_Static_assert(offsetof(struct executed_event, __id) == 0, "offset of executed_event.__id");
_Static_assert(offsetof(struct executed_event, __weight) == 2, "offset of executed_event.__weight");
_Static_assert(offsetof(struct executed_event, __marks) == 4, "offset of executed_event.__marks");
_Static_assert(offsetof(struct executed_event, path) == 8, "offset of executed_event.path");
_Static_assert(offsetof(struct executed_event, arguments) == 72, "offset of executed_event.arguments");
_Static_assert(offsetof(struct executed_event, first) == 204, "offset of executed_event.first");

/* Event state */
struct state_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	char name[16]; /* string(16) */
	__u8 local[16]; /* ip */
	__u8 remote[16]; /* ip */
	__u8 remote_six[16]; /* ip */
};
_Static_assert(sizeof(struct state_event) == 72, "size of state_event");
_Static_assert(offsetof(struct state_event, __id) == 0, "offset of state_event.__id");
_Static_assert(offsetof(struct state_event, __weight) == 2, "offset of state_event.__weight");
_Static_assert(offsetof(struct state_event, __marks) == 4, "offset of state_event.__marks");
_Static_assert(offsetof(struct state_event, name) == 8, "offset of state_event.name");
_Static_assert(offsetof(struct state_event, local) == 24, "offset of state_event.local");
_Static_assert(offsetof(struct state_event, remote) == 40, "offset of state_event.remote");
_Static_assert(offsetof(struct state_event, remote_six) == 56, "offset of state_event.remote_six");

/* Event packet */
struct packet_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	char device[16]; /* string(16) */
	__u8 source[6]; /* mac */
	__u8 four[16]; /* ip */
	__u16 protocol;
	__u32 length;
};
_Static_assert(sizeof(struct packet_event) == 52, "size of packet_event");
_Static_assert(offsetof(struct packet_event, __id) == 0, "offset of packet_event.__id");
_Static_assert(offsetof(struct packet_event, __weight) == 2, "offset of packet_event.__weight");
_Static_assert(offsetof(struct packet_event, __marks) == 4, "offset of packet_event.__marks");
_Static_assert(offsetof(struct packet_event, device) == 8, "offset of packet_event.device");
_Static_assert(offsetof(struct packet_event, source) == 24, "offset of packet_event.source");
_Static_assert(offsetof(struct packet_event, four) == 30, "offset of packet_event.four");
_Static_assert(offsetof(struct packet_event, protocol) == 46, "offset of packet_event.protocol");
_Static_assert(offsetof(struct packet_event, length) == 48, "offset of packet_event.length");
