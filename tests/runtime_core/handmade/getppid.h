/* The records of the hand-made artefact: counts calls of getppid. */
#pragma once

struct getppid_event {
	unsigned int id;
	unsigned int marks;
	unsigned long long time;
	unsigned int pid;
	unsigned int number;
};

struct getppid_config {
	unsigned int filter_on;
	unsigned int filter_pid;
	unsigned int filter_tid;
	unsigned int filter_uid;
	unsigned int filter_cgroup_level;
	unsigned int pad0;
	unsigned long long filter_cgroup;
	char filter_comm[16];
	unsigned int param_first;
	unsigned char param_silent;
	char param_word[11];
};
