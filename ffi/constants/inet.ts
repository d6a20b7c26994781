// man 7 ip.
export const headers = ["netinet/in.h"] as const;

export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_SCTP = 132;
export const IPPROTO_IPV6 = 41;
export const IPV6_V6ONLY = 26;
