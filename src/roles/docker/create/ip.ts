/** 4 or 6 for an IP address, 0 for anything else. node:net is loaded when an address is there to be looked at: it costs milliseconds. */
export const isIP = (text: string): number => (require("node:net") as typeof import("node:net")).isIP(text);
