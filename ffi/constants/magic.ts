// man 2 statfs: f_type.
export const headers = ["linux/magic.h"] as const;

export const PROC_SUPER_MAGIC = 0x9fa0;
export const CGROUP_SUPER_MAGIC = 0x27e0eb;
export const CGROUP2_SUPER_MAGIC = 0x63677270;
