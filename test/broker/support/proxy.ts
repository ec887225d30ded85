import { once } from "node:events";
import { connect as connectTo, createServer, type Server, type Socket } from "node:net";

/** Passes bytes on to a broker until it dies with all its connections. */
export class Proxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(host: string, port: number) {
    this.#server = createServer((incoming) => {
      const outgoing = connectTo(port, host);
      for (const socket of [incoming, outgoing]) {
        this.#sockets.add(socket);
        socket.on("error", () => socket.destroy());
        socket.on("close", () => {
          this.#sockets.delete(socket);
          incoming.destroy();
          outgoing.destroy();
        });
      }
      incoming.pipe(outgoing).pipe(incoming);
    });
  }

  static async before(brokers: string): Promise<Proxy> {
    const [host = "", port = ""] = (brokers.split(",")[0] ?? "").split(":");
    const proxy = new Proxy(host, Number(port));
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy does not listen");
    return `127.0.0.1:${address.port}`;
  }

  async die(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
