// Command lines whose outcome differs between our engine and Debian's dockerd 20.10 (API 1.41), and why. Our engine speaks API 1.51
// and follows dockerd 28 where the two differ.

const SHIM = "28 says 'failed to create task for container' in front of the shim's words";
const KILL = "28 says 'cannot kill container: NAME' and 'container … is not running', in small letters";
const IMAGE = "20.10 says the name twice";
const DIGESTS =
  "every image has a digest here, as with containerd's image store; 20.10 knows one only after a pull or push";
const FILTER = "28 says 'invalid filter' in small letters";
const VERSION = "the client refuses it for an engine of API 1.41";
const RUNNING = "28 says 'container … is not running' in small letters";

export const DIFFERENT: Readonly<Record<string, string>> = {
  "ps --filter nokey=x": FILTER,
  "ps --filter status=nosuch": FILTER,
  "images --digests": DIGESTS,
  "images --tree": VERSION,
  "images --tree -q": VERSION,
  "image inspect nosuch": IMAGE,
  "history -H=false bb": "20.10 counts a directory's own blocks into a layer's size",
  "rmi other:1": DIGESTS,
  "run --rm bb nosuchprogram": SHIM,
  "run --rm bb /etc": SHIM,
  "run --rm --init bb sh -c 'echo $$'": "its runtime starts more processes before the shell: another pid",
  "create nosuch:local --pull never":
    "Go's resolver names the server it asked; the create itself fails alike on a registry that is out of reach",
  "inspect -f '{{.State.Status}} {{.State.Running}} {{.HostConfig.NetworkMode}}' one two":
    "from API 1.44 on the engine says 'bridge' for 'default'",
  "inspect --type image one": IMAGE,
  "logs --tail 1 two": "stdout and stderr are two pipes there, and either may be read first",
  "exec one nosuchprogram": "28 tells 127 (not found) from 126",
  "exec three true": RUNNING,
  "top three": RUNNING,
  "cp one:/tmp/copied -": "20.10 writes the file's type into tar's mode, newer ones and POSIX do not",
  "diff one": "20.10 lists a directory's files in the order of a Go map's walk",
  "exec one true": "20.10 calls the container by the name given, 28 by its id",
  "rmi made:1": DIGESTS,
  "save nosuch -o @/x": "28 adds the tag that it looked for",
  "build -q -f @/context/Bad @/context": "28 says 'on line'",
  "history --format '{{.CreatedBy}}' built:1": "the hash of a COPY counts other fields of a file",
  "rmi -f outside:1": DIGESTS,
  "kill -s NOSUCH one": KILL,
  "kill nosuch": KILL,
  "kill four": KILL,
  "rm one": "28 has new words for a running container",
  "volume update vol": VERSION,
  "network create -d nosuchdriver x": "ours tells which drivers there are",
  "rmi -f built:1 imported:1 made:1": DIGESTS,
};

/** Those that may come out alike. */
export const SOMETIMES: ReadonlySet<string> = new Set(["logs --tail 1 two", "diff one"]);
