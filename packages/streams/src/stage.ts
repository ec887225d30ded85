export { AsyncPull } from "./engine/async-pull.js";
export { budgetSpent } from "./engine/budget.js";
export { Channel, type ChannelListener } from "./engine/channel.js";
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
} from "./engine/pull.js";
export { type Finaliser, liveRuns, Run } from "./engine/run.js";
export type { Fork, Junction, MatStage, Outlet, SinkStage, SourceStage, Stage } from "./engine/stage.js";
