// The metadata database, by version. A step is never edited after a release; a new one is appended.
// Labels and other maps are JSON objects; times are milliseconds since the epoch.

export const migrations: readonly string[] = [
  `
  CREATE TABLE namespace (name TEXT PRIMARY KEY, labels TEXT NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE image (
    ns TEXT NOT NULL, name TEXT NOT NULL, labels TEXT NOT NULL, target TEXT NOT NULL,
    created INTEGER NOT NULL, updated INTEGER NOT NULL,
    PRIMARY KEY (ns, name)
  ) STRICT;

  CREATE TABLE container (
    ns TEXT NOT NULL, id TEXT NOT NULL, labels TEXT NOT NULL, image TEXT NOT NULL,
    runtime TEXT NOT NULL, runtime_options_type TEXT, runtime_options BLOB,
    spec_type TEXT NOT NULL, spec BLOB NOT NULL,
    snapshotter TEXT NOT NULL, snapshot_key TEXT NOT NULL, extensions TEXT NOT NULL,
    created INTEGER NOT NULL, updated INTEGER NOT NULL,
    PRIMARY KEY (ns, id)
  ) STRICT;

  CREATE TABLE content (
    ns TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, labels TEXT NOT NULL,
    created INTEGER NOT NULL, updated INTEGER NOT NULL,
    PRIMARY KEY (ns, digest)
  ) STRICT;
  CREATE INDEX content_digest ON content (digest);

  -- id is the number of the snapshot's directory, never used twice.
  CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    snapshotter TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,
    parent INTEGER REFERENCES snapshot (id), kind TEXT NOT NULL, labels TEXT NOT NULL,
    size INTEGER, inodes INTEGER,
    created INTEGER NOT NULL, updated INTEGER NOT NULL,
    UNIQUE (snapshotter, ns, name)
  ) STRICT;
  CREATE INDEX snapshot_parent ON snapshot (parent);

  CREATE TABLE lease (
    ns TEXT NOT NULL, id TEXT NOT NULL, labels TEXT NOT NULL, created INTEGER NOT NULL,
    PRIMARY KEY (ns, id)
  ) STRICT;
  CREATE TABLE lease_resource (
    ns TEXT NOT NULL, lease TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (ns, lease, type, id),
    FOREIGN KEY (ns, lease) REFERENCES lease (ns, id) ON DELETE CASCADE
  ) STRICT;
  `,
];
