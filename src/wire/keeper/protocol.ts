// Engine → network keeper over `<exec-root>/network/keeper.sock`: one JSON object a line each way. What there is to know is in
// the endpoint files; these only say which of them to read again.

export type KeeperRequest = { id: number } & (
  | { verb: "hello" }
  /** These endpoints' files were written or removed. */
  | { verb: "changed"; endpoints: string[] }
);

export interface KeeperReply {
  id: number;
  /** Process id, to `hello`. */
  pid?: number;
  version?: string;
  error?: string;
}
