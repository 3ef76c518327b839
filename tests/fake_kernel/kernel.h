/* The types of a kernel that is like the real ones and never changes. Read by fake_kernel/declarations.py: one declaration a
 * statement, no preprocessor, no function pointers. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;
typedef unsigned short __be16;
typedef unsigned int __be32;
typedef unsigned short umode_t;
typedef unsigned long size_t;
typedef long ssize_t;
typedef long long loff_t;
typedef u64 sector_t;
typedef int pid_t;
typedef unsigned int uid_t;
typedef unsigned int gid_t;
typedef struct { uid_t val; } kuid_t;
typedef struct { gid_t val; } kgid_t;

enum req_op { REQ_OP_READ = 0, REQ_OP_WRITE = 1, REQ_OP_FLUSH = 2, REQ_OP_DISCARD = 3 };
enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID, PIDTYPE_MAX };
enum {
	TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_SYN_RECV = 3, TCP_FIN_WAIT1 = 4, TCP_FIN_WAIT2 = 5, TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7, TCP_CLOSE_WAIT = 8, TCP_LAST_ACK = 9, TCP_LISTEN = 10, TCP_CLOSING = 11
};
enum { IPPROTO_ICMP = 1, IPPROTO_TCP = 6, IPPROTO_UDP = 17 };

struct kernfs_node { u64 id; };
struct cgroup { int level; struct kernfs_node *kn; struct cgroup *ancestors[1]; };
struct css_set { struct cgroup *dfl_cgrp; };
struct cred { kuid_t uid; kgid_t gid; };
struct task_struct {
	unsigned int __state;
	int exit_code;
	pid_t pid;
	pid_t tgid;
	struct task_struct *real_parent;
	unsigned int in_execve : 1;
	unsigned int in_iowait : 1;
	u64 start_time;
	const struct cred *cred;
	char comm[16];
	struct css_set *cgroups;
	/* Numbers as few kernels or none have them: narrower, wider, a bit field or none. */
	short exit_signal;
	u8 on_cpu;
	s64 normal_prio;
	unsigned int sched_reset_on_fork;
	unsigned int personality : 20;
};

struct gendisk { int major; int first_minor; int minors; char disk_name[32]; };
struct request_queue { struct gendisk *disk; };
struct request { struct request_queue *q; unsigned int cmd_flags; unsigned int __data_len; sector_t __sector; u64 start_time_ns; };

struct in6_addr { union { u8 u6_addr8[16]; __be16 u6_addr16[8]; __be32 u6_addr32[4]; } in6_u; };
struct sock_common {
	union { struct { __be32 skc_daddr; __be32 skc_rcv_saddr; }; };
	union { struct { __be16 skc_dport; u16 skc_num; }; };
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};
struct sock { struct sock_common __sk_common; int sk_err; u8 sk_shutdown : 2; u8 sk_no_check_tx : 1; u16 sk_protocol; };
struct net_device { char name[16]; int ifindex; const unsigned char *dev_addr; };
struct sk_buff { struct net_device *dev; unsigned int len; __be16 protocol; unsigned char *head; unsigned char *data; };
struct ethhdr { unsigned char h_dest[6]; unsigned char h_source[6]; __be16 h_proto; };

struct inode { umode_t i_mode; unsigned long i_ino; loff_t i_size; };
struct qstr { u32 len; const unsigned char *name; };
struct dentry { struct dentry *d_parent; struct qstr d_name; struct inode *d_inode; };
struct path { struct vfsmount *mnt; struct dentry *dentry; };
struct file { unsigned int f_flags; struct path f_path; struct inode *f_inode; };
struct linux_binprm { int argc; const char *filename; };

struct trace_entry { unsigned short type; unsigned char flags; unsigned char preempt_count; int pid; };
struct trace_event_raw_sys_enter { struct trace_entry ent; long id; unsigned long args[6]; };
struct trace_event_raw_sys_exit { struct trace_entry ent; long id; long ret; };
struct trace_event_raw_inet_sock_set_state {
	struct trace_entry ent;
	const void *skaddr;
	int oldstate;
	int newstate;
	u16 sport;
	u16 dport;
	u16 family;
	u16 protocol;
	u8 saddr[4];
	u8 daddr[4];
	u8 saddr_v6[16];
	u8 daddr_v6[16];
};
struct trace_event_raw_sched_process_exec { struct trace_entry ent; u32 __data_loc_filename; pid_t pid; pid_t old_pid; };
struct trace_event_raw_sched_switch {
	struct trace_entry ent;
	char prev_comm[16];
	pid_t prev_pid;
	int prev_prio;
	long prev_state;
	char next_comm[16];
	pid_t next_pid;
	int next_prio;
};
struct trace_event_raw_block_rq { struct trace_entry ent; u32 dev; sector_t sector; unsigned int nr_sector; unsigned int bytes; };

struct seq_file { u64 count; };
struct bpf_iter_meta { union { struct seq_file *seq; }; u64 session_id; u64 seq_num; };
struct bpf_iter__task { union { struct bpf_iter_meta *meta; }; union { struct task_struct *task; }; };
struct bpf_iter__task_file {
	union { struct bpf_iter_meta *meta; };
	union { struct task_struct *task; };
	u32 fd;
	union { struct file *file; };
};
struct bpf_iter__tcp { union { struct bpf_iter_meta *meta; }; union { struct sock_common *sk_common; }; uid_t uid; };

ssize_t vfs_read(struct file *file, char *buf, size_t count, loff_t *pos);
ssize_t vfs_write(struct file *file, const char *buf, size_t count, loff_t *pos);
int vfs_open(const struct path *path, struct file *file);
int tcp_connect(struct sock *sk);
void tcp_close(struct sock *sk, long timeout);
void blk_account_io_start(struct request *rq);
void blk_account_io_done(struct request *rq, u64 now);
void untraceable(int x);
int made_static(int x);
int bpf_lsm_file_open(struct file *file);
int bpf_lsm_task_kill(struct task_struct *p, int sig);
int many_arguments(int a, int b, int c, int d, int e, int f, int g);
