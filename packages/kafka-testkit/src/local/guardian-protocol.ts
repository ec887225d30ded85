export type GuardianRequest =
  | { readonly kind: "spawn"; readonly id: number; readonly command: string; readonly args: readonly string[] }
  | { readonly kind: "signal"; readonly id: number; readonly process: number; readonly signal: NodeJS.Signals };

/** `process` is the id of the request that spawned it. */
export type GuardianEvent =
  | { readonly kind: "ready"; readonly directory: string }
  | { readonly kind: "done"; readonly id: number; readonly pid?: number; readonly error?: string }
  | { readonly kind: "line"; readonly process: number; readonly line: string }
  | { readonly kind: "exited"; readonly process: number; readonly how: string; readonly succeeded: boolean };
