// Hears of every change of the host's rules and interfaces, so that what somebody flushed or deleted is back at once. The kernel
// multicasts a message for each; a burst of them (a firewall's reload) is looked at once it is over.
import { NFNLGRP_NFTABLES } from "../../../../ffi/constants/nftables.ts";
import { RTNLGRP_LINK } from "../../../../ffi/constants/rtnetlink.ts";
import { openMulticast } from "../../../../ffi/netlink/multicast.ts";
import { log } from "../../../observe/log.ts";

const GROUPS = {
  rules: ["netfilter", NFNLGRP_NFTABLES],
  interfaces: ["route", RTNLGRP_LINK],
} as const;

/** A burst ends when nothing came for so long, and is looked at after the longer time even if it does not. */
const QUIET_MS = 100;
const PATIENCE_MS = 1000;

/** Calls `mend` after changes, our own included (it then finds nothing to do). Never throws: without it only healing is slower. */
export function watch(what: keyof typeof GROUPS, mend: () => Promise<string[]>): Disposable {
  let timer: NodeJS.Timeout | undefined;
  let since = 0;
  let stopped = false;
  const look = async () => {
    timer = undefined;
    since = 0;
    try {
      for (const line of await mend())
        log("warning", `the host's ${what} were changed; put back`, { what: line });
    } catch (error) {
      log("error", `cannot put the host's ${what} back`, { error });
    }
  };
  const heard = () => {
    if (stopped) return;
    since ||= Date.now();
    if (timer && Date.now() - since > PATIENCE_MS) return;
    clearTimeout(timer);
    timer = setTimeout(look, QUIET_MS);
    timer.unref();
  };
  let close = () => {};
  try {
    const [protocol, group] = GROUPS[what];
    close = openMulticast(protocol, group, heard, (error) => {
      if (!stopped) log("warning", `changes of the host's ${what} are no longer heard of`, { error });
    });
  } catch (error) {
    log("warning", `cannot listen for changes of the host's ${what}`, { error });
  }
  return {
    [Symbol.dispose]() {
      stopped = true;
      clearTimeout(timer);
      close();
    },
  };
}
