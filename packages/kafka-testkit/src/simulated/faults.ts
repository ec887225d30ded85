/** Milliseconds, both inclusive; each delay is drawn anew. */
export type DelayRange = readonly [min: number, max: number];

/** What goes wrong, and how long everything takes. Rates are from 0 to 1, and each request they concern is drawn for. */
export interface SimulatedFaults {
  /** A request to a coordinator, and `connect`; default [0, 2]. */
  readonly latencyMs: DelayRange;
  /** What a poll takes before it looks for records; default [0, 1]. */
  readonly fetchDelayMs: DelayRange;
  /** How late a member hears that its group rebalances; default [0, 20]. */
  readonly noticeMs: DelayRange;
  /** From `produceBatch` until the records are stored; default [0, 5]. */
  readonly appendDelayMs: DelayRange;
  /** From stored to acknowledged. Acknowledgements of one partition keep their order, others overtake; default [0, 5]. */
  readonly ackDelayMs: DelayRange;
  /** Records are not stored and reported as failed; default 0. */
  readonly produceErrorRate: number;
  /** Records are stored and all the same reported as failed; default 0. */
  readonly ackLossRate: number;
  /** A request is lost before it is stored, and the producer sends it again; default 0. */
  readonly requestLossRate: number;
  /** Records are stored, the answer is lost, and the producer sends them again; default 0. */
  readonly answerLossRate: number;
  /** A producer with records outstanding takes fewer than it has room for; default 0. */
  readonly partialAcceptRate: number;
  /** From `commit` until the answer is ready to be served; default [0, 5]. */
  readonly commitDelayMs: DelayRange;
  /** A commit is not stored; the same call may succeed when repeated. Default 0. */
  readonly commitErrorRate: number;
  /** A commit is stored, and all the same fails as timed out; may be repeated. Default 0. */
  readonly commitLossRate: number;
  /** A commit is not stored and will not be when repeated; default 0. */
  readonly commitRefusalRate: number;
  /** A commit sent while partitions are being given up is not stored, as where the group has moved on; default 0. */
  readonly revocationCommitRefusalRate: number;
  /** A seek fails and moves nothing; default 0. */
  readonly seekErrorRate: number;
  /** A call of a transaction, there and back; default [0, 5]. */
  readonly transactionDelayMs: DelayRange;
  /** From the end of a transaction until a partition, or a group, has its marker; default [0, 5]. */
  readonly markerDelayMs: DelayRange;
  /** Offsets for a transaction or its commit are refused; it has to be aborted. Default 0. */
  readonly transactionErrorRate: number;
  /** A call of a transaction is not answered, done or not, and so runs into its timeout; may be repeated. Default 0. */
  readonly transactionTimeoutRate: number;
}

export const FAULTLESS: SimulatedFaults = {
  latencyMs: [0, 2],
  fetchDelayMs: [0, 1],
  noticeMs: [0, 20],
  appendDelayMs: [0, 5],
  ackDelayMs: [0, 5],
  produceErrorRate: 0,
  ackLossRate: 0,
  requestLossRate: 0,
  answerLossRate: 0,
  partialAcceptRate: 0,
  commitDelayMs: [0, 5],
  commitErrorRate: 0,
  commitLossRate: 0,
  commitRefusalRate: 0,
  revocationCommitRefusalRate: 0,
  seekErrorRate: 0,
  transactionDelayMs: [0, 5],
  markerDelayMs: [0, 5],
  transactionErrorRate: 0,
  transactionTimeoutRate: 0,
};
