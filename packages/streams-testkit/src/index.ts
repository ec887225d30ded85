export { arbitraryChunking } from "./arbitrary-chunking.js";
export { assertAllClosed } from "./assert-all-closed.js";
export { checked, type Checks, type Wrap } from "./checked.js";
export { ExpectationError } from "./expectation.js";
export { forSeeds, type Instrumented, instrumented, type InstrumentedOptions, SEEDS } from "./instrumented.js";
export { settle } from "./settle.js";
export { type SinkProbe, sinkProbe } from "./sink-probe.js";
export { type SourceProbe, sourceProbe } from "./source-probe.js";
export { VirtualClock, virtualClock } from "./virtual-clock.js";
