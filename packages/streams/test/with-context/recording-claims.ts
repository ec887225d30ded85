import {
  type Attributes,
  type Claim,
  type ClaimOutcome,
  type ClosesContext,
  Flow,
  FlowWithContext,
  Keep,
  Sink,
  Source,
  SourceWithContext,
  type WithClaim,
} from "@millrace/streams";

/** What the laws send through operators: every element knows which records it comes from. */
export interface Element {
  readonly n: number;
  /** Ids of claims, one per share. */
  readonly from: readonly number[];
}

/** A claim that remembers all that was done to it. */
export class RecordingClaim implements Claim {
  readonly id: number;
  readonly ends: { readonly outcome: ClaimOutcome; readonly reason: string | undefined }[] = [];
  place = "source";
  openShares = 1;
  readonly #violations: string[];

  constructor(id: number, violations: string[]) {
    this.id = id;
    this.#violations = violations;
  }

  get ended(): boolean {
    return this.openShares === 0;
  }

  share(more: number): void {
    if (this.ended) this.#violations.push(`claim ${this.id} was shared after it had ended`);
    if (!Number.isInteger(more) || more < 0) this.#violations.push(`claim ${this.id} was shared ${more} times`);
    this.openShares += more;
  }

  end(outcome: ClaimOutcome, reason?: string): void {
    if (this.ended) this.#violations.push(`claim ${this.id} was ended after it had ended`);
    this.openShares -= 1;
    this.ends.push({ outcome, reason });
  }

  at(stage: string): void {
    if (this.ended) this.#violations.push(`claim ${this.id} was placed after it had ended`);
    this.place = stage;
  }
}

/** Claims of one run, and what was done to them. */
export class RecordingClaims {
  readonly #claims: RecordingClaim[] = [];
  /** Uses that no claim may see, such as an end after the end. */
  readonly violations: string[] = [];
  /** What has reached the sink, in order. */
  readonly arrived: WithClaim<unknown>[] = [];

  open(): RecordingClaim {
    const claim = new RecordingClaim(this.#claims.length, this.violations);
    this.#claims.push(claim);
    return claim;
  }

  /** A source of elements with a claim each, made when they are asked for. */
  source<A>(values: Iterable<A>, chunkElements = 512): SourceWithContext<A> {
    const open = (): RecordingClaim => this.open();
    const cells = {
      *[Symbol.iterator](): Iterator<WithClaim<A>> {
        for (const value of values) yield { value, claim: open() };
      },
    };
    return SourceWithContext.fromSource(Source.from(cells).withAttributes({ chunkElements }));
  }

  /** A source of the numbers, each with the id of its claim. */
  elements(numbers: readonly number[], chunkElements = 512): SourceWithContext<Element> {
    const first = this.source(numbers, chunkElements);
    return first.via(
      FlowWithContext.fromFlow<number, Element, void>(
        Flow.of<WithClaim<number>>().map(({ value, claim }) => ({
          value: { n: value, from: [(claim as RecordingClaim).id] },
          claim,
        })),
      ),
    );
  }

  /** A sink that ends no claim: what arrives stays open until `end`. */
  sink<A>(attributes: Attributes = {}): ClosesContext<A, Promise<readonly A[]>> {
    const sink = Flow.of<WithClaim<A>>()
      .map((cell) => {
        this.arrived.push(cell);
        return cell.value;
      })
      .toMat(Sink.toArray<A>(), Keep.right);
    return { withContext: { sink, attributes } };
  }

  /** Ends what has arrived at `index` of the sink. */
  end(index: number): void {
    this.arrived[index]?.claim.end("processed");
  }

  get(id: number): RecordingClaim {
    return this.#claims[id] as RecordingClaim;
  }

  get size(): number {
    return this.#claims.length;
  }

  ended(): readonly RecordingClaim[] {
    return this.#claims.filter((claim) => claim.ended);
  }

  /** Ids of the claims with open shares. */
  openIds(): readonly number[] {
    return this.#claims.filter((claim) => !claim.ended).map((claim) => claim.id);
  }

  /** The only end of a claim with one share. */
  endOf(id: number): { readonly outcome: ClaimOutcome; readonly reason: string | undefined } | undefined {
    return this.get(id).ends.at(-1);
  }
}

export const recordingClaims = (): RecordingClaims => new RecordingClaims();

/** Ids of the records behind elements, once each, ascending. */
export const recordsOf = (elements: Iterable<Element>): readonly number[] =>
  [...new Set([...elements].flatMap((element) => element.from))].sort((a, b) => a - b);
