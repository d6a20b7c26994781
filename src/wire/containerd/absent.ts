// A service that the holder of these services has to do without: every call fails and says so.
import { ServiceError } from "./services.ts";

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
              `${service}.${String(name)}: there is no ${service} service here`,
            ),
          ),
        );
      }
      return methods.get(name);
    },
  });
}
