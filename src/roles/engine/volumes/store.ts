// Named and anonymous volumes of the "local" driver: `<data-root>/volumes/<name>/_data`, described by `volume.json` beside it.

export interface Volume {
  name: string;
  driver: "local";
  /** The directory to bind-mount. */
  mountpoint: string;
  createdAt: string;
  labels: Record<string, string>;
  options: Record<string, string>;
  /** Made for a container without a name: `docker rm -v` and `--rm` take it away. */
  anonymous: boolean;
}

export interface VolumeCreate {
  /** Absent: an anonymous volume with a random 64-digit name. */
  name?: string;
  driver?: string;
  labels?: Record<string, string>;
  options?: Record<string, string>;
}

export interface VolumeStore {
  list(): Volume[];
  /** ApiError 404 "get X: no such volume". */
  get(name: string): Volume;
  /** Makes it, or returns the one of that name. ApiError 400 on a bad name, driver or option; 409 when it exists with other options. */
  create(request: VolumeCreate): Volume;
  /** Before a container uses it: mounts what its options name (type, o, device), once. ApiError 500 in docker's words. */
  mount(name: string): void;
  /** No container that runs uses it any more. */
  unmount(name: string): void;
  /** ApiError 404; 409 while a container uses it. */
  remove(name: string, options?: { force?: boolean }): Promise<void>;
}
