// A service that this containerd was put together without: every call fails and says so.
import { ServiceError } from "../../wire/containerd/services.ts";

export function absent<T extends object>(service: string): T {
  const methods = new Map<PropertyKey, unknown>();
  return new Proxy({} as T, {
    get(_target, name) {
      // A promise's `then` is asked for by `await`.
      if (typeof name === "symbol" || name === "then") return undefined;
      if (!methods.has(name)) {
        methods.set(name, () =>
          Promise.reject(
            new ServiceError(
              "Unimplemented",
              `${service}.${String(name)}: this containerd has no ${service} service`,
            ),
          ),
        );
      }
      return methods.get(name);
    },
  });
}
