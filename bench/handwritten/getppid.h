/* The record that both halves of the hand-written getppid tracer share. */
#pragma once
#include <linux/types.h>

struct call {
	__u64 time;
	__u32 pid;
	__u32 tid;
	__u32 uid;
	__s32 number;
	char comm[16];
	__u64 group;
	__u64 task;
	__u64 kind; /* as long as the generated record */
};
