export interface SessionLifeListener {
  /** Whether the stream goes on all the same. */
  mends(error: unknown): boolean;
  /** The session has failed; called for the first failure only. */
  onFailure(error: unknown): void;
}

/**
 * Where a session is in its life, for all of its parts, which report their failures here.
 *
 *     running ──► stopped (delivers nothing more; claims in flight may end, and commits go on) ──► closed
 */
export class SessionLife {
  readonly #listener: SessionLifeListener;
  #state: "running" | "stopped" | "closed" = "running";
  #isDead = false;
  #failure: { readonly error: unknown } | undefined;
  #streamFailed = false;

  constructor(listener: SessionLifeListener) {
    this.#listener = listener;
  }

  get state(): "running" | "stopped" | "closed" {
    return this.#state;
  }

  get isStopped(): boolean {
    return this.#state !== "running";
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** The stream has failed or was cancelled: records in flight will never be finished. */
  get isDead(): boolean {
    return this.#isDead;
  }

  /** Nothing is worth waiting for any more. */
  get isOver(): boolean {
    return this.#isDead || this.isClosed;
  }

  /** What the session failed with. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** The session has failed, or the stream has by itself. */
  get hasFailed(): boolean {
    return this.#streamFailed || this.#failure !== undefined;
  }

  stop(): void {
    if (this.#state === "running") this.#state = "stopped";
  }

  close(): void {
    this.#state = "closed";
  }

  abandon(): void {
    this.#isDead = true;
  }

  streamFailed(): void {
    this.#streamFailed = true;
  }

  /** A part of the session has failed, and with it the session, unless that is mended. */
  fail(error: unknown): void {
    if (this.#failure || this.isClosed || this.#listener.mends(error)) return;
    this.#failure = { error };
    this.#listener.onFailure(error);
  }
}
