export type { SubstreamStage } from "./model/blueprint.js";
export { wire } from "./model/wiring.js";
export { promiseOf } from "./engine/answer.js";
export { AsyncPull } from "./engine/async-pull.js";
export type { TimeShare } from "./engine/budget.js";
export { Channel, type ChannelListener } from "./engine/channel.js";
export { acrossCopies, oncePerProcess } from "./copies.js";
export type { Decision } from "./engine/decision.js";
export { ChunkSize } from "./engine/chunk-size.js";
export { type DrainLogic, drainLoop, type DrainLoop } from "./engine/drain.js";
export {
  type ChunkLogic,
  chunkStage,
  type Cursor,
  type ElementLogic,
  elementStage,
} from "./engine/element-stage.js";
export { nextTurn, soon } from "./engine/host.js";
export {
  type Chunk,
  DONE,
  isFailure,
  NO_MORE_ELEMENTS,
  type Pull,
  type Pulled,
  WAIT,
  type Wake,
} from "./model/pull.js";
export { type EndOfTerminal, type Finaliser, liveRuns, Run } from "./engine/run.js";
export type {
  Fork,
  ForkTraits,
  Junction,
  JunctionTraits,
  MatStage,
  Outlet,
  SinkStage,
  SinkTraits,
  SourceStage,
  Stage,
  StageTraits,
  Wiring,
  WiringInput,
  WiringNode,
  WiringPlace,
} from "./model/stage.js";
export { jsonOf } from "./errors.js";
export { harmless } from "./logger.js";
export { messageOf, printable, textOf } from "./engine/text-of.js";
export { mapAsyncPartitioned } from "./stages/async/map-async-partitioned.js";
export { groupBy, type GroupByOptions } from "./stages/substream/group-by.js";
export { groupFlow } from "./stages/with-context/group-by.js";
export { changed, Guard } from "./stages/with-context/guard.js";
export { guardedFlow } from "./stages/with-context/guarded.js";
export { JointClaim } from "./stages/with-context/claim.js";
export { requireFinished, type Unfinished } from "./stages/with-context/unfinished.js";
