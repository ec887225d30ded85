import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Health } from "./consumer/recovery/health.js";

export interface HealthServerOptions {
  /** `0`: any that is free, which `listening` answers. */
  readonly port: number;
  /** Default: 127.0.0.1; in a container `0.0.0.0`, for its supervisor asks from outside. */
  readonly host?: string;
}

/** Answers the probes of a supervisor. */
export interface HealthServer extends AsyncDisposable {
  /** Resolves with its port; rejects where it cannot be had. */
  readonly listening: Promise<number>;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Answers `GET /live` and `GET /ready` with 200, or with 503 where a consumer is not, and with the reasons as JSON. It does not
 * keep the process alive.
 *
 * @example
 * await runUntilSignal(graph, {
 *   onRunning(control) {
 *     healthServer(control, { port: 8080 });
 *   },
 * });
 */
export const healthServer = (
  control: { health(): Health },
  { port, host = "127.0.0.1" }: HealthServerOptions,
): HealthServer => {
  const server = createServer(({ url = "" }, response) => {
    const [path] = url.split("?", 1);
    const health = control.health();
    const asked = path === "/live" ? health.live : path === "/ready" ? health.ready : undefined;
    response.statusCode = asked === undefined ? 404 : asked ? 200 : 503;
    response.setHeader("content-type", "application/json");
    response.end(asked === undefined ? '{"error":"ask for /live or /ready"}' : JSON.stringify(health));
  });
  server.unref();
  server.listen(port, host);
  const listening = once(server, "listening").then(() => (server.address() as AddressInfo).port);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      server.closeAllConnections();
      // It is not open where it never listened.
      server.close(() => resolve());
    });
    return closing;
  };
  return { listening, close, [Symbol.asyncDispose]: close };
};
