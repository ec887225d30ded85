/** What several users of one client have in common. */
export interface ClientOfMany {
  /** The client is of no further use. */
  readonly isOver: boolean;
  close(drop: boolean): Promise<void>;
}

/** Holds one client for many users at a time: made for the first, and anew for the first after it has ended. */
export class HeldClient<Client extends ClientOfMany> {
  readonly #make: () => Client;
  readonly #onCloseFailed: (error: unknown) => void;
  readonly #closings = new Set<Promise<void>>();
  #current: Client | undefined;
  #closing: Promise<void> | undefined;

  constructor(make: () => Client, onCloseFailed: (error: unknown) => void) {
    this.#make = make;
    this.#onCloseFailed = onCloseFailed;
  }

  /** The one that was made last. */
  get current(): Client | undefined {
    return this.#current;
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** The one to use. */
  open(): Client {
    if (!this.#current || this.#current.isOver) this.#current = this.#make();
    return this.#current;
  }

  /** One has ended, and closes while others go on. */
  drop(closing: Promise<void>): void {
    const closed = closing.catch(this.#onCloseFailed).finally(() => this.#closings.delete(closed));
    this.#closings.add(closed);
  }

  /** Closes what there is; idempotent. */
  close(drop: boolean = false): Promise<void> {
    this.#closing ??= this.#close(drop);
    return this.#closing;
  }

  async #close(drop: boolean): Promise<void> {
    await this.#current?.close(drop);
    await Promise.all(this.#closings);
  }
}
