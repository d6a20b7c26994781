// GET /networks/explain: who reaches which published port. Bunker's own; the real engine has nothing like it.

/** One published port of one container. */
export interface ExplainedPort {
  container: { id: string; name: string };
  network: string;
  protocol: string;
  /** Where it is published. */
  hostIp: string;
  hostPort: number;
  /** Where it leads. */
  containerIp: string;
  containerPort: number;
  /** Addresses of this host that it answers at, with the interface that has each. */
  answersAt: { interface: string; address: string }[];
  /** Who gets through, in words, each with the rule that lets them. */
  reachableBy: { who: string; rule: string }[];
  /** What stops, or may stop, visitors all the same. */
  obstacles: { rule: string; effect: string }[];
}

/** One container on one network. */
export interface ExplainedEndpoint {
  container: { id: string; name: string };
  network: string;
  addresses: string[];
  /** Who reaches all its ports, published or not. */
  reachableBy: { who: string; rule: string }[];
}

export interface NetworkExplanation {
  /** nft's name of the table: "inet bunker". */
  table: string;
  ports: ExplainedPort[];
  endpoints: ExplainedEndpoint[];
}
