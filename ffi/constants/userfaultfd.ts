// man 2 userfaultfd, ioctl_userfaultfd.
export const headers = ["linux/userfaultfd.h"] as const;

export const UFFD_API = 0xaa;
export const UFFD_USER_MODE_ONLY = 1;
export const UFFD_FEATURE_WP_ASYNC = 1 << 15;
export const UFFDIO_REGISTER_MODE_WP = 2;
export const UFFDIO_API = 0xc018aa3f;
export const UFFDIO_REGISTER = 0xc020aa00;
