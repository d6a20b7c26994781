// Files of a container's directory, by name: state.json and exec.fifo as runc has them, and those of plain.ts.
export const STATE = "state.json";
export const START = "exec.fifo";
export const PLAIN_START = "start.plain";
export const PLAIN_DELETE = "delete.plain";
