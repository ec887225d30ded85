import type { Pull } from "./pull.js";
import type { Run } from "./run.js";

/** One step of a stream: what it does lives in `create`, called once per materialisation. */
export interface Stage<in In, out Out> {
  readonly name: string;
  create(upstream: Pull<In>, run: Run): Pull<Out>;
}

export interface Outlet<out Out, out Mat> {
  readonly outlet: Pull<Out>;
  readonly mat: Mat;
}

/** A stage with a materialised value. */
export interface MatStage<in In, out Out, out Mat> {
  readonly name: string;
  createWithMat(upstream: Pull<In>, run: Run): Outlet<Out, Mat>;
}

export interface SourceStage<out Out, out Mat> {
  readonly name: string;
  create(run: Run): Outlet<Out, Mat>;
}

/** The end of a stream; it drives the pulling, as a terminal of the run. */
export interface SinkStage<in In, out Mat> {
  readonly name: string;
  create(upstream: Pull<In>, run: Run): Mat;
}

/** Several inlets, one outlet. */
export interface Junction<in In, out Out> {
  readonly name: string;
  create(upstreams: readonly Pull<In>[], run: Run): Pull<Out>;
}

/** One inlet, several outlets, of which each must be consumed. */
export interface Fork<in In, out Out> {
  readonly name: string;
  create(upstream: Pull<In>, outlets: number, run: Run): readonly Pull<Out>[];
}
